-- Sets the quota profile, which holds Google's caps, of a user's account. Raises SY002 without an
-- account, SY003 for an unknown profile.

create or replace function gmail_sync.set_quota_profile(p_user_id text, p_quota_profile text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._require_account(p_user_id);
  update gmail_sync.account
  set quota_profile = gmail_sync._quota_profile_name(p_quota_profile)
  where user_id = p_user_id;
end;
$$;

comment on function gmail_sync.set_quota_profile(text, text) is
'Set the quota profile of a user''s account.';

revoke all on function gmail_sync.set_quota_profile(text, text) from public;
grant execute on function gmail_sync.set_quota_profile(text, text)
  to gmail_sync_service, gmail_sync_dba;
