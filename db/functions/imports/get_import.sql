create or replace function gmail_sync.get_import(p_user_id text)
returns table (
  keep_deleted boolean, known integer, staged bigint, joined integer, kept integer,
  dropped integer, unmatched integer, own boolean
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select i.keep_deleted, i.known,
    (select count(*) from gmail_sync.imported_message m where m.user_id = p_user_id),
    i.joined, i.kept, i.dropped, i.unmatched, i.own
  from gmail_sync.mail_import i
  where i.user_id = p_user_id;
$$;

comment on function gmail_sync.get_import(text) is
'The last import of a user and what became of its messages: 0 or 1 row.';

revoke all on function gmail_sync.get_import(text) from public;
grant execute on function gmail_sync.get_import(text) to gmail_sync_service;
