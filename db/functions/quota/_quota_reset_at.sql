-- When the daily quota that a moment belongs to is renewed: a minute after midnight Pacific time,
-- because Google's clock may be a little behind.

create or replace function gmail_sync._quota_reset_at(p_at timestamptz)
returns timestamptz
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select (gmail_sync._quota_day(p_at) + time '24:00') at time zone 'America/Los_Angeles'
    + interval '1 min';
$$;

comment on function gmail_sync._quota_reset_at(timestamptz) is
'When the daily quota that a moment belongs to is renewed.';

revoke all on function gmail_sync._quota_reset_at(timestamptz) from public;
