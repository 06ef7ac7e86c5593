-- Tombstones messages that are absent from the complete listing: compares the next p_limit stored
-- messages, in the order of their ids. After the last it closes the listing, sets the cursor to the
-- history id pinned before it, and returns true. Raises SY003 when p_limit is not between 1 and
-- 10,000 or the listing is not complete, SY001 when the lease is gone.

create or replace function gmail_sync.reconcile_listing(
  p_task_id text, p_limit integer default 5000
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_account gmail_sync.account;
  v_compared integer;
  v_last text;
  v_absent text[];
begin
  select * into v_account from gmail_sync.account a where a.user_id = v_user_id;
  if v_account.listing_history_id is null and v_account.history_id is not null then
    -- The closing call is repeated, because its answer was lost.
    return true;
  elsif v_account.listing_complete is not true then
    raise exception 'the listing of user % is not complete', v_user_id
      using errcode = 'SY003',
        hint = 'Store the remaining pages first; only a complete listing shows what was deleted.';
  end if;

  select c.compared, c.last, c.absent into v_compared, v_last, v_absent
  from gmail_sync._compare_with_listing(
    v_user_id, v_account.reconciled_to, gmail_sync._check_page_size(p_limit, 10000)
  ) c;
  perform gmail_sync._tombstone_messages(v_user_id, v_absent);

  if v_compared = p_limit then
    delete from gmail_sync.listing
    where user_id = v_user_id
      and message_id > v_account.reconciled_to
      and message_id <= v_last;
    update gmail_sync.account set reconciled_to = v_last where user_id = v_user_id;
  else
    delete from gmail_sync.listing
    where user_id = v_user_id
      and message_id > v_account.reconciled_to;
    update gmail_sync.account
    set history_id = listing_history_id,
      listed_by = p_task_id,
      listing_history_id = null,
      listing_page_token = null,
      listing_complete = false,
      reconciled_to = default
    where user_id = v_user_id;
  end if;

  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_absent,
    array_fill('deleted'::text, array[cardinality(v_absent)]), 'reconciling'
  );
  return v_compared < p_limit;
end;
$$;

comment on function gmail_sync.reconcile_listing(text, integer) is
'Tombstone messages absent from a complete listing; true when done and the cursor is set.';

revoke all on function gmail_sync.reconcile_listing(text, integer) from public;
grant execute on function gmail_sync.reconcile_listing(text, integer) to gmail_sync_service;
