-- Stores a page of the listing and the token of the next page. Ids that were not listed before are
-- also queued. p_thread_ids has the thread of each message, NULL where it is not known. Without a
-- token the listing is complete. A page that lists nothing new is a heartbeat, but not progress: a
-- run that gets only such pages stalls. Raises SY003 when a complete listing is empty although the
-- mailbox is not, SY001 when the lease is gone.

create or replace function gmail_sync.store_listing_page(
  p_task_id text, p_message_ids text[], p_next_page_token text, p_thread_ids text[] default '{}'
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id gmail_sync.user_key := gmail_sync._fence(p_task_id)::gmail_sync.user_key;
  v_listed text[];
  v_queued text[];
begin
  -- Not ON CONFLICT, which writes more: the lock of the user's mail keeps other writers away.
  v_listed := array(
    select unnest(p_message_ids)
    except
    select l.message_id
    from gmail_sync.listing l
    where l.user_id = v_user_id and l.message_id = any (p_message_ids)
    order by 1
  );
  insert into gmail_sync.listing (user_id, message_id)
  select v_user_id, id from unnest(v_listed) id;

  v_queued := array(
    select unnest(v_listed)
    except
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = v_user_id and q.message_id = any (v_listed)
  );
  insert into gmail_sync.fetch_queue (user_id, message_id, thread_id, reason)
  -- A longer one, which is not Gmail's, would not fit into an index.
  select v_user_id, q.id, left(p_thread_ids[q.n], 255), 'listed'
  from (
    select id, array_position(p_message_ids, id) as n from unnest(v_queued) id order by n
  ) q;

  if p_next_page_token is null
    and not exists (select from gmail_sync.listing where user_id = v_user_id)
    and exists (select from gmail_sync.account where user_id = v_user_id and messages_total > 0)
  then
    raise exception 'Gmail listed no message, but the mailbox is not empty'
      using errcode = 'SY003', hint = 'List again; an empty listing would delete all messages.';
  end if;

  update gmail_sync.account
  set listing_page_token = p_next_page_token,
    listing_complete = p_next_page_token is null
  where user_id = v_user_id;

  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_queued,
    array_fill('pending'::text, array[cardinality(v_queued)]), 'listing',
    v_listed <> '{}' or p_next_page_token is null
  );
end;
$$;

comment on function gmail_sync.store_listing_page(text, text[], text, text[]) is
'Store a page of the listing and queue messages to fetch.';

revoke all on function gmail_sync.store_listing_page(text, text[], text, text[]) from public;
grant execute on function gmail_sync.store_listing_page(text, text[], text, text[])
  to gmail_sync_service;
