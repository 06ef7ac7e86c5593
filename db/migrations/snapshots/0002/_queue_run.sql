-- Makes a queued run unless the user has a running one; returns its task_id or NULL.

create or replace function gmail_sync._queue_run(
  p_user_id gmail_sync.user_key, p_sync_type text, p_source text
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task_id text;
begin
  insert into gmail_sync.user_sync_status
    (task_id, user_id, sync_type, source, phase, started_at, updated_at, not_before, claimed_at)
  values (
    gmail_sync._new_task_id(p_user_id), p_user_id, p_sync_type, p_source, 'queued',
    clock_timestamp(), clock_timestamp(), clock_timestamp(), null
  )
  on conflict do nothing
  returning task_id into v_task_id;

  if found then
    perform pg_notify('gmail_sync', v_task_id);
  end if;
  return v_task_id;
end;
$$;

comment on function gmail_sync._queue_run(gmail_sync.user_key, text, text) is
'Queue a run unless the user has a running one.';

revoke all on function gmail_sync._queue_run(gmail_sync.user_key, text, text) from public;
