-- Returns messages to the queue that were taken but not tried, and takes back the attempt charged.
-- It returns the given messages, or all of the task when NULL. The result is their number. Raises
-- SY001 when the lease is gone.

create or replace function gmail_sync.return_messages(
  p_task_id text, p_message_ids text[] default null
)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_count integer;
begin
  update gmail_sync.fetch_queue
  set attempts = greatest(0, attempts - 1),
    taken_by = null
  where user_id = v_user_id
    and (p_message_ids is null or message_id = any (p_message_ids))
    and taken_by = p_task_id;
  get diagnostics v_count = row_count;

  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', null, false);
  return v_count;
end;
$$;

comment on function gmail_sync.return_messages(text, text[]) is
'Give back messages that were taken but not tried; how many.';

revoke all on function gmail_sync.return_messages(text, text[]) from public;
grant execute on function gmail_sync.return_messages(text, text[])
  to gmail_sync_service;
