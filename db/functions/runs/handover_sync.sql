-- Ends a run as superseded and creates a successor. Returns the successor's task_id, or NULL when
-- the run was not running or this was its last attempt. In the latter case the run fails. Without
-- p_not_before the successor waits for the delay of its attempt. p_not_before is capped at 24 hours
-- from now. p_error_code is one that the constraint known_error_code lists.

create or replace function gmail_sync.handover_sync(
  p_task_id text, p_reason text, p_not_before timestamptz default null,
  p_charge_attempt boolean default true, p_error_code text default null
)
returns text
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with held as (
    select
      r.task_id,
      r.progress_percentage as progress,
      r.waiting_until,
      case when p_charge_attempt then gmail_sync._next_attempt(r) else r.attempt end as next
    from gmail_sync.user_sync_status r
    where r.task_id = p_task_id
      and r.finished_at is null
    for update
  ),
  ended as (
    update gmail_sync.user_sync_status r
    set is_syncing = false,
      outcome = case
        when held.next > (select max_attempts from gmail_sync.settings) then 'failed'
        else 'superseded'
      end,
      progress_percentage = 0,
      error_code = p_error_code,
      error_message = p_reason,
      phase = 'done',
      updated_at = clock_timestamp(),
      finished_at = clock_timestamp()
    from held
    where r.task_id = held.task_id
    returning r as run, held.progress, held.next
  )
  select gmail_sync._insert_successor(
    ended.run,
    ended.next,
    ended.progress,
    least(
      coalesce(p_not_before, clock_timestamp() + gmail_sync._run_retry_delay(ended.next)),
      clock_timestamp() + interval '24 hours'
    )
  )
  from ended;
$$;

comment on function gmail_sync.handover_sync(text, text, timestamptz, boolean, text) is
'End a run as superseded and leave its work to a successor, whose task_id is returned.';

revoke all on function gmail_sync.handover_sync(text, text, timestamptz, boolean, text) from public;
grant execute on function gmail_sync.handover_sync(text, text, timestamptz, boolean, text)
  to gmail_sync_service;
