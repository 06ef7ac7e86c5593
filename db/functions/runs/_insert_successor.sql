-- Creates the run that continues an ended run, with its counts, progress, follow-up and any wait
-- that Google demands. NULL when the ended run was the last attempt; its follow-up is started then.

create or replace function gmail_sync._insert_successor(
  p_ended gmail_sync.user_sync_status, p_attempt integer, p_progress integer,
  p_not_before timestamptz
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task_id text := gmail_sync._new_task_id(p_ended.user_id);
begin
  perform gmail_sync._notify_run(p_ended.task_id, p_ended.user_id);
  if p_ended.outcome = 'failed' then
    perform gmail_sync._start_follow_up(p_ended);
    return null;
  end if;

  insert into gmail_sync.user_sync_status (
    task_id, user_id, sync_type, source, phase, started_at, updated_at, claimed_at,
    resumes, attempt, progress_percentage, not_before, waiting_until, follow_up,
    planned_share, traceparent, follow_up_traceparent,
    found, new, updated, unchanged, deleted, gone, failed, pending, imported
  )
  values (
    v_task_id, p_ended.user_id,
    -- What was listed and reconciled under the ended run is not listed again.
    case
      when exists (
        select from gmail_sync.account a
        where a.user_id = p_ended.user_id and a.listed_by = p_ended.task_id
      ) then 'incremental'
      else p_ended.sync_type
    end,
    'resume', 'queued',
    clock_timestamp(), clock_timestamp(), null,
    p_ended.task_id, p_attempt, p_progress, p_not_before,
    case
      when gmail_sync._run_waits(
        p_ended.waiting_until, greatest(p_ended.claimed_at, p_ended.updated_at)
      ) then p_ended.waiting_until
    end,
    p_ended.follow_up,
    p_ended.planned_share, p_ended.traceparent, p_ended.follow_up_traceparent,
    p_ended.found, p_ended.new, p_ended.updated, p_ended.unchanged, p_ended.deleted,
    p_ended.gone, p_ended.failed, p_ended.pending, p_ended.imported
  );
  perform gmail_sync._notify_run(v_task_id, p_ended.user_id);
  return v_task_id;
end;
$$;

comment on function gmail_sync._insert_successor(
  gmail_sync.user_sync_status, integer, integer, timestamptz
) is
'Create the run that continues an ended run.';

revoke all on function gmail_sync._insert_successor(
  gmail_sync.user_sync_status, integer, integer, timestamptz
) from public;
