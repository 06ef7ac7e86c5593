-- Announces that a run has started, ended or become due: {"task_id", "user_id"} on channel
-- gmail_sync.

create or replace function gmail_sync._notify_run(p_task_id text, p_user_id text)
returns void
language sql
volatile
as $$
  select pg_notify(
    'gmail_sync', json_build_object('task_id', p_task_id, 'user_id', p_user_id)::text
  );
$$;

comment on function gmail_sync._notify_run(text, text) is
'Announce that a run has started, ended or become due.';

revoke all on function gmail_sync._notify_run(text, text) from public;
