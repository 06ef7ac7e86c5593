-- When the day's quota of a project has room for p_units more. NULL if it has on the day of p_at,
-- else when it is renewed. p_profile.day_units is the part that the caller's work may use.

create or replace function gmail_sync._quota_day_available_at(
  p_profile gmail_sync.quota_profile, p_at timestamptz, p_units integer
)
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select gmail_sync._quota_reset_at(p_at)
    from gmail_sync.quota_day d
    where d.profile = p_profile.name
      and d.day = gmail_sync._quota_day(p_at)
      and d.units + p_units > p_profile.day_units
  );
end;
$$;

comment on function gmail_sync._quota_day_available_at(
  gmail_sync.quota_profile, timestamptz, integer
) is
'When the day''s quota has room for so many units; NULL if it has on that day.';

revoke all on function gmail_sync._quota_day_available_at(
  gmail_sync.quota_profile, timestamptz, integer
) from public;
