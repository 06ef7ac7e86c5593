-- The depth of a bracket of a search within p_depth others. Raises SY003 when it is more than 20.

create or replace function gmail_sync._check_search_depth(p_depth integer, p_at integer)
returns integer
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_depth >= 20 then
    raise exception 'the brackets of the search are nested deeper than 20 at position %', p_at - 1
      using errcode = 'SY003', hint = 'Use fewer brackets.';
  end if;
  return p_depth + 1;
end;
$$;

comment on function gmail_sync._check_search_depth(integer, integer) is
'The depth of a bracket of a search; SY003 when it is more than 20.';

revoke all on function gmail_sync._check_search_depth(integer, integer) from public;
