-- Cancels a run, without a successor or follow-up. If the task has ended, the run that took it over
-- is cancelled. False if nothing was running.

create or replace function gmail_sync.cancel_sync(p_task_id text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task_id text := p_task_id;
  v_user_id text;
begin
  while v_task_id is not null loop
    update gmail_sync.user_sync_status
    set is_syncing = false,
      outcome = 'cancelled',
      progress_percentage = 0,
      phase = 'done',
      waiting_until = null,
      updated_at = clock_timestamp(),
      finished_at = clock_timestamp()
    where task_id = v_task_id
      and finished_at is null
    returning user_id::text into v_user_id;
    if found then
      perform gmail_sync._require_user_here(v_user_id);
      perform gmail_sync._notify_run(v_task_id, v_user_id);
      return true;
    end if;

    select task_id into v_task_id
    from gmail_sync.user_sync_status
    where resumes = v_task_id;
  end loop;
  return false;
end;
$$;

comment on function gmail_sync.cancel_sync(text) is
'Cancel a run, or the run that took it over; false if nothing was running.';

revoke all on function gmail_sync.cancel_sync(text) from public;
grant execute on function gmail_sync.cancel_sync(text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
