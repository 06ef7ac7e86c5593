-- The day of Google's daily quota that a moment belongs to. It begins at midnight Pacific time,
-- daylight saving time included.

create or replace function gmail_sync._quota_day(p_at timestamptz)
returns date
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select (p_at at time zone 'America/Los_Angeles')::date;
$$;

comment on function gmail_sync._quota_day(timestamptz) is
'The day of Google''s daily quota that a moment belongs to.';

revoke all on function gmail_sync._quota_day(timestamptz) from public;
