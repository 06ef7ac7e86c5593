-- Records that Google says the day's quota of a user's project is used up, whatever the ledger has
-- left. The owner of the project may have set a lower cap. Until it is renewed, nothing of the
-- project is sent but a request an hour, because the owner may raise the cap. It needs no lease:
-- what Google says is true without one.

create or replace function gmail_sync.record_daily_limit(p_user_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  perform gmail_sync._require_user_here(p_user_id);
  insert into gmail_sync.quota_day as d (profile, day, units, refused_at)
  select a.quota_profile, gmail_sync._quota_day(v_now), 0, v_now
  from gmail_sync.account a
  where a.user_id = p_user_id
  on conflict (profile, day) do update set refused_at = excluded.refused_at;
end;
$$;

comment on function gmail_sync.record_daily_limit(text) is
'Record that Google says the day''s quota of a user''s project is used up.';

revoke all on function gmail_sync.record_daily_limit(text) from public;
grant execute on function gmail_sync.record_daily_limit(text) to gmail_sync_service;
