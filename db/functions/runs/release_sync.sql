-- Ends a run as succeeded, or as failed when an error message is given, and starts the follow-up
-- requested meanwhile. p_error_code is one that the constraint known_error_code lists. False if the
-- run was not running. Raises check_violation when a run with pending messages is to succeed.

create or replace function gmail_sync.release_sync(
  p_task_id text, p_error_message text default null, p_error_code text default null
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_run gmail_sync.user_sync_status;
begin
  update gmail_sync.user_sync_status
  set is_syncing = false,
    outcome = case when p_error_message is null then 'succeeded' else 'failed' end,
    progress_percentage = case when p_error_message is null then 100 else 0 end,
    error_code = p_error_code,
    error_message = p_error_message,
    phase = 'done',
    waiting_until = null,
    updated_at = clock_timestamp(),
    finished_at = clock_timestamp()
  where task_id = p_task_id
    and finished_at is null
  returning * into v_run;

  if not found then
    return false;
  end if;

  perform gmail_sync._notify_run(p_task_id, v_run.user_id);
  perform gmail_sync._start_follow_up(v_run);
  return true;
end;
$$;

comment on function gmail_sync.release_sync(text, text, text) is
'End a run as succeeded, or as failed with an error message; false if it was not running.';

revoke all on function gmail_sync.release_sync(text, text, text) from public;
grant execute on function gmail_sync.release_sync(text, text, text) to gmail_sync_service;
