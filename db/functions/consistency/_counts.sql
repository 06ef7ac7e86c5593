-- The valid counts of a row of unknown origin: new, updated, unchanged, deleted, gone, failed and
-- imported, in this order.

create or replace function gmail_sync._counts(p_stats jsonb)
returns integer[]
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text;
  v_counts integer[] := array[]::integer[];
begin
  foreach v_key in array array[
    'new', 'updated', 'unchanged', 'deleted', 'gone', 'failed', 'imported'
  ] loop
    v_counts := v_counts
      || least(100000000, greatest(0, coalesce(gmail_sync._try_integer(p_stats ->> v_key), 0)));
  end loop;
  return v_counts;
end;
$$;

comment on function gmail_sync._counts(jsonb) is
'The valid counts of a row of unknown origin.';

revoke all on function gmail_sync._counts(jsonb) from public;
