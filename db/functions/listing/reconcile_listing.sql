-- Tombstones up to p_limit messages that are absent from the complete listing. When none is left,
-- it closes the listing, sets the cursor to the history id pinned before it, and returns true.
-- Raises SY003 when p_limit is not between 1 and 10,000 or the listing is not complete, SY001 when
-- the lease is gone.

create or replace function gmail_sync.reconcile_listing(
  p_task_id text, p_limit integer default 1000
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_absent text[];
begin
  if exists (
    select from gmail_sync.account
    where user_id = v_user_id and listing_history_id is null and history_id is not null
  ) then
    -- The closing call is repeated, because its answer was lost.
    return true;
  elsif not exists (
    select from gmail_sync.account where user_id = v_user_id and listing_complete
  ) then
    raise exception 'the listing of user % is not complete', v_user_id
      using errcode = 'SY003',
        hint = 'Store the remaining pages first; only a complete listing shows what was deleted.';
  end if;

  -- EXCEPT, not an anti-join: a table that grew a minute ago has no statistics, and the planner
  -- would compare every pair.
  v_absent := array(
    select m.message_id
    from gmail_sync.message m
    where m.user_id = v_user_id and m.deleted_at is null
    except
    select l.message_id
    from gmail_sync.listing l
    where l.user_id = v_user_id
    order by 1
    limit gmail_sync._check_page_size(p_limit, 10000)
  );
  perform gmail_sync._tombstone_messages(v_user_id, v_absent);

  if cardinality(v_absent) = 0 then
    delete from gmail_sync.listing where user_id = v_user_id;
    update gmail_sync.account
    set history_id = listing_history_id,
      listed_by = p_task_id,
      listing_history_id = null,
      listing_page_token = null,
      listing_complete = false
    where user_id = v_user_id;
  end if;

  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_absent,
    array_fill('deleted'::text, array[cardinality(v_absent)]), 'reconciling'
  );
  return cardinality(v_absent) = 0;
end;
$$;

comment on function gmail_sync.reconcile_listing(text, integer) is
'Tombstone messages absent from a complete listing; true when done and the cursor is set.';

revoke all on function gmail_sync.reconcile_listing(text, integer) from public;
grant execute on function gmail_sync.reconcile_listing(text, integer) to gmail_sync_service;
