-- How long a profile's quota makes so many units of one user take, from p_from on. NULL if they fit
-- into one window, which goes in one burst, and into what p_from's day has left. day_units is the
-- part that the work may use; see _quota_profile_for.

create or replace function gmail_sync._quota_duration(
  p_profile gmail_sync.quota_profile, p_units bigint, p_from timestamptz
)
returns interval
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_units > p_profile.day_units - used.units then
      gmail_sync._quota_reset_at(p_from) - p_from
      + interval '1 day' * ((late.units - 1) / p_profile.day_units)
      + coalesce(
        p_profile.window_length
          * (((late.units - 1) % p_profile.day_units + 1)::float8 / p_profile.user_units),
        interval '0'
      )
    when p_units > p_profile.user_units
      then p_profile.window_length * (p_units::float8 / p_profile.user_units)
  end
  from (
    select coalesce(sum(d.units), 0)::bigint as units
    from gmail_sync.quota_day d
    where d.profile = p_profile.name
      and d.day = gmail_sync._quota_day(p_from)
  ) used
  cross join lateral (
    select p_units - greatest(0, p_profile.day_units - used.units) as units
  ) late;
$$;

comment on function gmail_sync._quota_duration(gmail_sync.quota_profile, bigint, timestamptz) is
'How long a profile''s quota makes so many units of one user take.';

revoke all on function gmail_sync._quota_duration(gmail_sync.quota_profile, bigint, timestamptz)
  from public;
