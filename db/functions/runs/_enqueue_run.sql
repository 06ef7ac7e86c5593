-- Creates a queued run unless the user has a running one; returns its task_id or NULL.
--
-- Commits that notify wait for one another, so it notifies only if a worker may be idle. An idle
-- worker polls every 2 s. If a run has been due for 3 s, all workers are busy, and each polls as
-- soon as it is free. The 3 s follow from that poll, so they are not a setting.

create or replace function gmail_sync._enqueue_run(
  p_user_id gmail_sync.user_key, p_sync_type text, p_source text
)
returns text
language plpgsql
volatile
as $$
declare
  v_task_id text;
  v_busy boolean;
begin
  insert into gmail_sync.user_sync_status
    (task_id, user_id, sync_type, source, phase, started_at, updated_at, not_before, claimed_at)
  values (
    gmail_sync._new_task_id(p_user_id), p_user_id, p_sync_type, p_source, 'queued',
    clock_timestamp(), clock_timestamp(), clock_timestamp(), null
  )
  on conflict do nothing
  returning task_id, (
    select greatest(r.started_at, r.not_before) < clock_timestamp() - interval '3 s'
    from gmail_sync.user_sync_status r
    where r.is_syncing and r.claimed_at is null
    order by r.not_before
    limit 1
  ) into v_task_id, v_busy;

  if found and v_busy is not true then
    perform gmail_sync._notify_run(v_task_id, p_user_id);
  end if;
  return v_task_id;
end;
$$;

comment on function gmail_sync._enqueue_run(gmail_sync.user_key, text, text) is
'Queue a run unless the user has a running one.';

revoke all on function gmail_sync._enqueue_run(gmail_sync.user_key, text, text) from public;
