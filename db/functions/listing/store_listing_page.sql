-- Takes a page of the listing: its ids into the listing and, unless they were listed
-- before, into the queue; the next page's token into the account. No token completes the
-- listing; Raises SY003 when that leaves it empty although the mailbox is not, SY001 when the
-- lease is gone.

create or replace function gmail_sync.store_listing_page(
  p_task_id text, p_message_ids text[], p_next_page_token text
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id gmail_sync.user_key := gmail_sync._fence(p_task_id);
  v_queued text[];
begin
  with page as (
    select message_id, min(n) as n
    from unnest(p_message_ids) with ordinality as p (message_id, n)
    group by message_id
  ),
  listed as (
    insert into gmail_sync.listing (user_id, message_id)
    select v_user_id, message_id from page order by message_id
    on conflict do nothing
    returning message_id
  ),
  queued as (
    insert into gmail_sync.fetch_queue (user_id, message_id, reason)
    select v_user_id, message_id, 'listed'
    from listed join page using (message_id)
    order by n
    on conflict do nothing
    returning message_id
  )
  select coalesce(array_agg(message_id), '{}') into v_queued from queued;

  if p_next_page_token is null
    and not exists (select from gmail_sync.listing where user_id = v_user_id)
    and exists (select from gmail_sync.account where user_id = v_user_id and messages_total > 0)
  then
    raise exception 'Gmail listed none of the mailbox''s messages, though it has some'
      using errcode = 'SY003', hint = 'An empty listing would delete everything: list again.';
  end if;

  update gmail_sync.account
  set listing_page_token = p_next_page_token,
    listing_complete = p_next_page_token is null
  where user_id = v_user_id;

  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_queued,
    array_fill('pending'::text, array[cardinality(v_queued)]), 'listing'
  );
end;
$$;

comment on function gmail_sync.store_listing_page(text, text[], text) is
'Take a page of the listing and queue what is to be fetched.';

revoke all on function gmail_sync.store_listing_page(text, text[], text) from public;
grant execute on function gmail_sync.store_listing_page(text, text[], text) to gmail_sync_service;
