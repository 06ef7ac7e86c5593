-- Stages messages of an export until a full sync joins them. Needs no lease, because it does not
-- touch the user's mail. Messages that are staged already stay as they are.
--
-- p_messages is an array of objects named like the columns of gmail_sync.imported_message. p_raws
-- holds the RFC 822 bytes of each, or NULL. Raises SY002 when the mailbox p_email is not connected.

create or replace function gmail_sync.stage_imported_messages(
  p_user_id text, p_email text, p_messages jsonb, p_raws bytea[]
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- So that nothing is staged for a user who is being deleted.
  perform gmail_sync._lock_mailbox(p_user_id, p_email);
  insert into gmail_sync.imported_message (
    user_id, import_key, message_id, thread_id, rfc822_message_id, label_ids, label_names, size,
    parsed, raw
  )
  select p_user_id, g.import_key, g.message_id, g.thread_id, g.rfc822_message_id, g.label_ids,
    g.label_names, g.size, g.parsed, p_raws[e.n]
  from jsonb_array_elements(p_messages) with ordinality as e (message, n)
  cross join lateral jsonb_to_record(e.message) as g (
    import_key text, message_id text, thread_id text, rfc822_message_id text, label_ids text[],
    label_names text[], size bigint, parsed jsonb
  )
  on conflict do nothing;
end;
$$;

comment on function gmail_sync.stage_imported_messages(text, text, jsonb, bytea[]) is
'Stage messages of an export until a full sync joins them.';

revoke all on function gmail_sync.stage_imported_messages(text, text, jsonb, bytea[]) from public;
grant execute on function gmail_sync.stage_imported_messages(text, text, jsonb, bytea[])
  to gmail_sync_service;
