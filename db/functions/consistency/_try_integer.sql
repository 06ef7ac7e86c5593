-- A whole number out of a row of unknown making: NULL for what is none.

create or replace function gmail_sync._try_integer(p_text text)
returns integer
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case when p_text ~ '^-?[0-9]{1,9}([.]0+)?$' then split_part(p_text, '.', 1)::integer end;
$$;

comment on function gmail_sync._try_integer(text) is
'A whole number out of a row of unknown making, NULL for what is none.';

revoke all on function gmail_sync._try_integer(text) from public;
