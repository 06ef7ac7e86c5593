-- What a run can expect of Google's quota from p_at on: units in each window, on the day of p_at,
-- and on each later day. The claimed runs share the project's part evenly. NULL: without a cap.

create or replace function gmail_sync._expected_quota(
  p_run gmail_sync.user_sync_status, p_at timestamptz
)
returns table (
  profile text, window_length interval, window_units bigint, units_today bigint, units_a_day bigint
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_profile gmail_sync.quota_profile
    := gmail_sync._quota_profile_for(p_run.user_id, gmail_sync._quota_work(p_run));
  v_runs integer := gmail_sync._running_runs(v_profile.name)
    + case when p_run.claimed_at is null then 1 else 0 end;
begin
  return query
    select
      v_profile.name,
      v_profile.window_length,
      least(v_profile.user_units, ceil(v_profile.project_units::numeric / v_runs))::bigint,
      gmail_sync._quota_left_today(v_profile, p_at) / v_runs,
      ceil(v_profile.day_units::numeric / v_runs)::bigint
    where v_profile.name is not null;
end;
$$;

comment on function gmail_sync._expected_quota(gmail_sync.user_sync_status, timestamptz) is
'What a run can expect of Google''s quota, shared with the runs at work.';

revoke all on function gmail_sync._expected_quota(gmail_sync.user_sync_status, timestamptz)
  from public;
