-- Returns a page size if it is valid. Raises SY003 when it is not between 1 and p_max.

create or replace function gmail_sync._check_page_size(p_limit integer, p_max integer)
returns integer
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_limit is null or p_limit not between 1 and p_max then
    raise exception 'limit % is not between 1 and %', p_limit, p_max using errcode = 'SY003';
  end if;
  return p_limit;
end;
$$;

comment on function gmail_sync._check_page_size(integer, integer) is
'Return a page size if it is valid; SY003 when it is out of range.';

revoke all on function gmail_sync._check_page_size(integer, integer) from public;
