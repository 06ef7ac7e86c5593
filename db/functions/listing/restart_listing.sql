-- Restarts the listing at the first page, when Gmail rejects the page token. Listed messages stay
-- listed, so nothing is fetched twice. Raises SY001 when the lease is gone.

create or replace function gmail_sync.restart_listing(p_task_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
begin
  update gmail_sync.account
  set listing_page_token = null
  where user_id = v_user_id;

  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', 'listing', false);
end;
$$;

comment on function gmail_sync.restart_listing(text) is
'Restart the listing at the first page; nothing is fetched twice.';

revoke all on function gmail_sync.restart_listing(text) from public;
grant execute on function gmail_sync.restart_listing(text) to gmail_sync_service;
