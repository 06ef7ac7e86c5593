-- A time from a row of unknown origin. NULL for text that is not a time, and for times that clients
-- may not represent: infinite ones, and years before 1 or after 9999.

create or replace function gmail_sync._try_time(p_text text)
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
as $$
declare
  v_time timestamptz;
begin
  -- In the declaration it would be out of reach of the handler.
  v_time := p_text::timestamptz;
  return case when v_time between '0001-01-02' and '9999-12-30' then v_time end;
exception when others then
  return null;
end;
$$;

comment on function gmail_sync._try_time(text) is
'A time from a row of unknown origin; NULL when it is not one.';

revoke all on function gmail_sync._try_time(text) from public;
