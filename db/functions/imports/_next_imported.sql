-- The first staged messages of a user: at most p_limit of p_bytes together, but at least one.

create or replace function gmail_sync._next_imported(
  p_user_id text, p_limit integer, p_bytes bigint
)
returns text[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(f.import_key order by f.import_key), '{}')
  from (
    select i.import_key, row_number() over (order by i.import_key) as n,
      sum(i.size) over (order by i.import_key) as bytes
    from (
      select s.import_key, s.size
      from gmail_sync.imported_message s
      where s.user_id = p_user_id
      order by s.import_key
      limit p_limit
    ) i
  ) f
  where f.n = 1 or f.bytes <= p_bytes;
$$;

comment on function gmail_sync._next_imported(text, integer, bigint) is
'The first staged messages of a user.';

revoke all on function gmail_sync._next_imported(text, integer, bigint) from public;
