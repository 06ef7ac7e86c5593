-- The quota profile of a user's account; day_units is the part of the day that p_work may use. The
-- window is a little longer than Google's, because Google counts a request when it arrives. Of two
-- requests a window apart, the first may travel longer.

create or replace function gmail_sync._quota_profile_for(p_user_id text, p_work text)
returns gmail_sync.quota_profile
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_profile gmail_sync.quota_profile;
begin
  select q.* into v_profile
  from gmail_sync.account a
  join gmail_sync._granted_quota q on q.name = a.quota_profile
  where a.user_id = p_user_id;
  v_profile.day_units := floor(
    v_profile.day_units * (select s.share from gmail_sync.quota_share s where s.work = p_work)
  )::bigint;
  v_profile.window_length := v_profile.window_length * 1.02;
  return v_profile;
end;
$$;

comment on function gmail_sync._quota_profile_for(text, text) is
'The quota profile of a user''s account, with the part of the day that such work may use.';

revoke all on function gmail_sync._quota_profile_for(text, text) from public;
