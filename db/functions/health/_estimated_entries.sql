-- About how many entries an index has: its size, and the entries a page that vacuum or analyze last
-- found. 0 if neither has read it yet.

create or replace function gmail_sync._estimated_entries(p_index regclass)
returns numeric
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    greatest(0, reltuples)::numeric / nullif(relpages, 0)
      * (pg_relation_size(p_index) / current_setting('block_size')::integer),
    0
  )
  from pg_class
  where oid = p_index;
$$;

comment on function gmail_sync._estimated_entries(regclass) is
'About how many entries an index has; 0 if nothing is known.';

revoke all on function gmail_sync._estimated_entries(regclass) from public;
