-- Stores messages that Gmail has no more, with their attachments, as deleted; arguments as
-- store_messages. They are in no count and in no search.

create or replace function gmail_sync._store_deleted(
  p_user_id gmail_sync.user_key, p_messages jsonb, p_raws bytea[]
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_message_ids text[] := array(
    select u.stored_id from gmail_sync._upsert_messages(p_user_id, p_messages, p_raws) u
  );
begin
  perform gmail_sync._replace_attachments(p_user_id, p_messages, '{}');
  update gmail_sync.message
  set deleted_at = clock_timestamp()
  where user_id = p_user_id
    and message_id = any (v_message_ids);
end;
$$;

comment on function gmail_sync._store_deleted(gmail_sync.user_key, jsonb, bytea[]) is
'Store messages that Gmail has no more, as deleted.';

revoke all on function gmail_sync._store_deleted(gmail_sync.user_key, jsonb, bytea[]) from public;
