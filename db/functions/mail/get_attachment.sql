-- What is known of an attachment, but for its bytes: 0 or 1 row.

create or replace function gmail_sync.get_attachment(
  p_user_id text, p_message_id text, p_part_id text
)
returns table (filename text, mime_type text, size bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.filename, a.mime_type, a.size
  from gmail_sync.attachments a
  where a.user_id = p_user_id
    and a.message_id = p_message_id
    and a.part_id = p_part_id;
$$;

comment on function gmail_sync.get_attachment(text, text, text) is
'What is known of an attachment, but for its bytes: 0 or 1 row.';

revoke all on function gmail_sync.get_attachment(text, text, text) from public;
grant execute on function gmail_sync.get_attachment(text, text, text) to gmail_sync_service;
