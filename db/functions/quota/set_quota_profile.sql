-- Says which caps of Google's a user's account keeps to. Raises SY002 without an account, SY003
-- for a profile that is not there.

create or replace function gmail_sync.set_quota_profile(p_user_id text, p_quota_profile text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update gmail_sync.account
  set quota_profile = p_quota_profile
  where user_id = p_user_id;

  if not found then
    raise exception 'user % has no Gmail account', p_user_id using errcode = 'SY002';
  end if;
exception when foreign_key_violation or not_null_violation then
  raise exception 'there is no quota profile %', p_quota_profile using errcode = 'SY003';
end;
$$;

comment on function gmail_sync.set_quota_profile(text, text) is
'Which caps of Google''s a user''s account keeps to.';

revoke all on function gmail_sync.set_quota_profile(text, text) from public;
grant execute on function gmail_sync.set_quota_profile(text, text)
  to gmail_sync_service, gmail_sync_dba;
