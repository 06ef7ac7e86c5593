-- Books the quota of calls that no run makes: an attachment somebody asks for, an audit; see
-- _reserve_quota. p_patience is how long the caller would wait: what would have to wait longer is
-- not booked, and the time when it could go is returned all the same. Raises SY002 without an
-- account, SY003 for what can never be charged.

create or replace function gmail_sync.reserve_account_quota(
  p_user_id text, p_method text, p_calls integer default 1,
  p_patience interval default interval '24 hours'
)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from gmail_sync.account where user_id = p_user_id) then
    raise exception 'user % has no Gmail account', p_user_id using errcode = 'SY002';
  end if;
  return gmail_sync._reserve_quota(p_user_id, p_method, p_calls, p_patience);
end;
$$;

comment on function gmail_sync.reserve_account_quota(text, text, integer, interval) is
'Book the quota of calls outside of runs: NULL to go at once, else when.';

revoke all on function gmail_sync.reserve_account_quota(text, text, integer, interval) from public;
grant execute on function gmail_sync.reserve_account_quota(text, text, integer, interval)
  to gmail_sync_service;
