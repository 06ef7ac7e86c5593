-- Units that the day of p_at has left for a project; NULL without a cap. None if Google says so.
-- p_profile.day_units is the part of the day that the work may use.

create or replace function gmail_sync._quota_left_today(
  p_profile gmail_sync.quota_profile, p_at timestamptz
)
returns bigint
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if gmail_sync._daily_limit_ends(p_profile.name, p_at) is not null then
    return 0::bigint;
  end if;
  return (
    select greatest(0, p_profile.day_units - coalesce(sum(d.units), 0))::bigint
    from gmail_sync.quota_day d
    where d.profile = p_profile.name
      and d.day = gmail_sync._quota_day(p_at)
    having p_profile.day_units is not null
  );
end;
$$;

comment on function gmail_sync._quota_left_today(gmail_sync.quota_profile, timestamptz) is
'Units that a day has left for a project; NULL without a cap.';

revoke all on function gmail_sync._quota_left_today(gmail_sync.quota_profile, timestamptz)
  from public;
