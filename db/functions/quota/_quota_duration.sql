-- How long Google's quota makes so many units of a run take, from p_from on. NULL if there is room
-- for them at once. A day's units, or its hours, that are not enough bring a wait until midnight
-- Pacific time.

create or replace function gmail_sync._quota_duration(
  p_run gmail_sync.user_sync_status, p_units bigint, p_from timestamptz
)
returns interval
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_quota record;
  v_reset timestamptz := gmail_sync._quota_reset_at(p_from);
  v_today bigint;
  v_a_day bigint;
  v_later bigint;
begin
  select q.*, q.window_units / extract(epoch from q.window_length)::float8 as a_second
  into v_quota
  from gmail_sync._expected_quota(p_run, p_from) q;
  v_today := least(
    v_quota.units_today, (v_quota.a_second * extract(epoch from v_reset - p_from))::bigint
  );
  if p_units <= v_today or v_today is null then
    return gmail_sync._window_duration(
      p_run.user_id, v_quota.profile, p_units, v_quota.window_units, v_quota.window_length, p_from
    );
  end if;

  v_a_day := least(v_quota.units_a_day, (v_quota.a_second * 86400)::bigint);
  v_later := p_units - v_today - 1;
  return v_reset - p_from
    + coalesce(interval '1 day' * (v_later / v_a_day), interval '0')
    + coalesce(
      gmail_sync._window_duration(
        p_run.user_id, v_quota.profile, v_later % v_a_day + 1,
        v_quota.window_units, v_quota.window_length, v_reset
      ),
      interval '0'
    );
end;
$$;

comment on function gmail_sync._quota_duration(
  gmail_sync.user_sync_status, bigint, timestamptz
) is
'How long Google''s quota makes so many units of a run take.';

revoke all on function gmail_sync._quota_duration(
  gmail_sync.user_sync_status, bigint, timestamptz
) from public;
