-- Gives staged messages the ids that Gmail's search has found for them. A message is matched if
-- just one found message is in its thread. The others are fetched. Raises SY001 when the
-- lease is gone.

create or replace function gmail_sync.match_imported_messages(
  p_task_id text, p_import_keys text[], p_message_ids text[], p_thread_ids text[]
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
begin
  update gmail_sync.imported_message i
  set rfc822_message_id = null,
    message_id = (
      select min(f.message_id)
      from unnest(p_message_ids, p_thread_ids) as f (message_id, thread_id)
      where f.thread_id = i.thread_id
      having count(*) = 1
    )
  where i.user_id = v_user_id
    and i.import_key = any (p_import_keys)
    and i.message_id is null;
  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', 'fetching', false);
end;
$$;

comment on function gmail_sync.match_imported_messages(text, text[], text[], text[]) is
'Give staged messages the ids that Gmail''s search has found; SY001 when the lease is gone.';

revoke all on function gmail_sync.match_imported_messages(text, text[], text[], text[])
  from public;
grant execute on function gmail_sync.match_imported_messages(text, text[], text[], text[])
  to gmail_sync_service;
