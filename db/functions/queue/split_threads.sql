-- Returns messages to the queue that their thread's answer did not bring. From now on they are
-- fetched singly. No attempt is charged, and nothing is concluded about them. Raises SY001 when the
-- lease is gone.

create or replace function gmail_sync.split_threads(p_task_id text, p_message_ids text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
begin
  update gmail_sync.fetch_queue
  set thread_id = null
  where user_id = v_user_id
    and message_id = any (p_message_ids);
  perform gmail_sync.return_messages(p_task_id, p_message_ids);
end;
$$;

comment on function gmail_sync.split_threads(text, text[]) is
'Return messages to the queue that are to be fetched singly instead of with their thread.';

revoke all on function gmail_sync.split_threads(text, text[]) from public;
grant execute on function gmail_sync.split_threads(text, text[]) to gmail_sync_service;
