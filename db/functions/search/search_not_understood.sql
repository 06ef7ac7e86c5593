-- What search_messages does not understand in a search and looks for as words: unknown operators,
-- and values that an operator does not have. Raises SY003 as search_messages does.

create or replace function gmail_sync.search_not_understood(
  p_user_id text, p_query text, p_time_zone text default 'UTC'
)
returns text[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select p.not_understood from gmail_sync._parse_search(p_user_id, p_query, p_time_zone) p;
$$;

comment on function gmail_sync.search_not_understood(text, text, text) is
'What search_messages does not understand in a search and looks for as words.';

revoke all on function gmail_sync.search_not_understood(text, text, text) from public;
grant execute on function gmail_sync.search_not_understood(text, text, text)
  to gmail_sync_app, gmail_sync_reader, gmail_sync_service, gmail_sync_dba;
