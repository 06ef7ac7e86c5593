-- A time as events have it, whatever the zone of the session.

create or replace function gmail_sync._iso_time(p_time timestamptz)
returns text
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
$$;

comment on function gmail_sync._iso_time(timestamptz) is
'A time as events have it.';

revoke all on function gmail_sync._iso_time(timestamptz) from public;
