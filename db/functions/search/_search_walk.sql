-- The newest messages of a time, for a search that no index serves.

create or replace function gmail_sync._search_walk(
  p_user_id text, p_since timestamptz, p_until timestamptz, p_until_id text, p_limit integer
)
returns table (message_id text, internal_date timestamptz)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select m.message_id, m.internal_date
  from gmail_sync.message m
  where m.user_id = p_user_id
    and m.internal_date >= p_since
    and (m.internal_date, m.message_id) < (p_until, p_until_id)
  order by m.internal_date desc, m.message_id desc
  limit p_limit;
$$;

comment on function gmail_sync._search_walk(text, timestamptz, timestamptz, text, integer) is
'The newest messages of a time, for a search that no index serves.';

revoke all on function gmail_sync._search_walk(text, timestamptz, timestamptz, text, integer)
  from public;
