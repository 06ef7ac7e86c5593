-- Sets how often a user's mail is synced automatically; NULL disables it. Raises SY002 without an
-- account, SY003 for less than a minute or more than a thousand years.

create or replace function gmail_sync.set_sync_interval(p_user_id text, p_sync_interval interval)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._require_account(p_user_id);
  update gmail_sync.account
  set sync_interval = p_sync_interval
  where user_id = p_user_id;
exception when check_violation then
  raise exception 'sync interval % is not between a minute and 1000 years', p_sync_interval
    using errcode = 'SY003';
end;
$$;

comment on function gmail_sync.set_sync_interval(text, interval) is
'Set how often a user''s mail is synced automatically; NULL disables it.';

revoke all on function gmail_sync.set_sync_interval(text, interval) from public;
grant execute on function gmail_sync.set_sync_interval(text, interval)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
