create or replace function gmail_sync.list_labels(p_user_id text)
returns table (label_id text, name text, type text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select l.label_id, l.name, l.type
  from gmail_sync.label l
  where l.user_id = p_user_id
  order by l.type, l.name, l.label_id;
$$;

comment on function gmail_sync.list_labels(text) is
'A user''s labels.';

revoke all on function gmail_sync.list_labels(text) from public;
grant execute on function gmail_sync.list_labels(text) to gmail_sync_service;
