-- Implements start_sync and start_sync_idempotent: returns the task_id of the run that does a sync
-- of a user. It is p_new_task_id if the run is new. For speed it leaves SECURITY DEFINER and the
-- pinned search_path to its callers.
--
-- Commits that notify wait for one another, so it notifies only if a worker may be idle. An idle
-- worker polls every 2 s. If a run has been due for 3 s, all workers are busy, and each polls as
-- soon as it is free. The 3 s follow from that poll, so they are not a setting.

create or replace function gmail_sync._start_sync(
  p_user_id gmail_sync.user_key, p_force_full boolean, p_source text, p_new_task_id text,
  p_traceparent text
)
returns text
language plpgsql
volatile
as $$
declare
  v_run gmail_sync._running_run;
  v_busy boolean;
begin
  if not gmail_sync._try_lock_user_shared(p_user_id) then
    return gmail_sync._new_task_id(p_user_id);
  end if;

  loop
    select * into v_run from gmail_sync._running_run r where r.user_id = p_user_id;
    if found then
      exit when gmail_sync._join_running(v_run, p_force_full, p_source, p_traceparent);
      continue;
    end if;

    if p_source = 'api' then
      perform gmail_sync._check_start_rate(p_user_id);
    end if;
    insert into gmail_sync.user_sync_status (
      task_id, user_id, sync_type, source, phase,
      traceparent, started_at, updated_at, not_before, claimed_at
    )
    values (
      p_new_task_id, p_user_id, gmail_sync._sync_type_for_account(p_user_id, p_force_full),
      p_source, 'queued', p_traceparent,
      clock_timestamp(), clock_timestamp(), clock_timestamp(), null
    )
    on conflict do nothing
    returning (
      select greatest(r.started_at, r.not_before) < clock_timestamp() - interval '3 s'
      from gmail_sync.user_sync_status r
      where r.is_syncing and r.claimed_at is null
      order by r.not_before
      limit 1
    ) into v_busy;
    if found then
      if v_busy is not true then
        perform gmail_sync._notify_run(p_new_task_id, p_user_id);
      end if;
      return p_new_task_id;
    end if;
  end loop;
  return v_run.task_id;
end;
$$;

comment on function gmail_sync._start_sync(gmail_sync.user_key, boolean, text, text, text) is
'The run that does a sync of a user: a new one, or the one that exists.';

revoke all on function gmail_sync._start_sync(gmail_sync.user_key, boolean, text, text, text)
  from public;
