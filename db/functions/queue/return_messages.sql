-- Returns messages to the queue that were taken but not tried; no attempt is charged. It returns
-- the given messages, or all of the task when NULL. The result is their number. Raises SY001 when
-- the lease is gone.

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
  v_returned text[] := array(
    select id
    from unnest(gmail_sync._messages_in_flight(v_user_id, p_task_id)) id
    where p_message_ids is null or id = any (p_message_ids)
  );
begin
  perform gmail_sync._end_fetch(v_user_id, v_returned);
  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', null, false);
  return cardinality(v_returned);
end;
$$;

comment on function gmail_sync.return_messages(text, text[]) is
'Give back messages that were taken but not tried; how many.';

revoke all on function gmail_sync.return_messages(text, text[]) from public;
grant execute on function gmail_sync.return_messages(text, text[])
  to gmail_sync_service;
