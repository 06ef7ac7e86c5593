-- Opens the listing of a full sync, or continues the one in progress. It pins the mailbox's history
-- id before the first page, and returns the page to continue with. No row: rows of an earlier
-- listing are still to be deleted, so call it again. Raises SY001 when the lease is gone.

create or replace function gmail_sync.begin_listing(
  p_task_id text, p_history_id numeric, p_messages_total bigint
)
returns table (page_token text, complete boolean)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_account gmail_sync.account;
  v_is_open boolean := true;
begin
  select * into v_account from gmail_sync.account a where a.user_id = v_user_id;
  if v_account.listing_history_id is null then
    v_is_open := gmail_sync._delete_listing(v_user_id, 5000);
    update gmail_sync.account a
    set listing_history_id = p_history_id,
      listing_page_token = null,
      listing_complete = false,
      messages_total = p_messages_total
    where a.user_id = v_user_id
      and v_is_open
    returning * into v_account;
  end if;

  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', 'listing', false);
  return query
    select v_account.listing_page_token, v_account.listing_complete
    where v_is_open;
end;
$$;

comment on function gmail_sync.begin_listing(text, numeric, bigint) is
'Open a full sync''s listing or continue the one in progress; SY001 when the lease is gone.';

revoke all on function gmail_sync.begin_listing(text, numeric, bigint) from public;
grant execute on function gmail_sync.begin_listing(text, numeric, bigint)
  to gmail_sync_service;
