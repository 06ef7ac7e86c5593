-- Says how often a user's mail is synced without anybody asking; NULL: never. Raises SY002
-- without an account, SY003 for less than a minute.

create or replace function gmail_sync.set_sync_interval(p_user_id text, p_sync_interval interval)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update gmail_sync.account
  set sync_interval = p_sync_interval
  where user_id = p_user_id;

  if not found then
    raise exception 'user % has no Gmail account', p_user_id using errcode = 'SY002';
  end if;
exception when check_violation then
  raise exception 'sync interval % is less than a minute', p_sync_interval
    using errcode = 'SY003';
end;
$$;

comment on function gmail_sync.set_sync_interval(text, interval) is
'How often a user''s mail is synced without anybody asking; NULL: never.';

revoke all on function gmail_sync.set_sync_interval(text, interval) from public;
grant execute on function gmail_sync.set_sync_interval(text, interval)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
