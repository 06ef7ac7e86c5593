-- Raises SY003 when a time zone is not known.

create or replace function gmail_sync._check_time_zone(p_time_zone text)
returns void
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform now() at time zone p_time_zone;
exception
  when invalid_parameter_value then
    raise exception 'time zone % is not known', p_time_zone
      using errcode = 'SY003', hint = 'Use a name of the IANA database, such as Europe/Berlin.';
end;
$$;

comment on function gmail_sync._check_time_zone(text) is
'Raise SY003 when a time zone is not known.';

revoke all on function gmail_sync._check_time_zone(text) from public;
