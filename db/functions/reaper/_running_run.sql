-- Every running run with the age of its heartbeat. It is a zombie when cause is not null.
-- Start, reaper and health all read this view.
-- The settings are scalar subqueries: joined, FOR UPDATE would lock the settings row too.

create or replace view gmail_sync._running_run as
select
  r.task_id,
  r.user_id,
  r.sync_type,
  r.phase,
  r.progress_percentage,
  r.current_stats,
  r.source,
  r.attempt,
  r.started_at,
  r.claimed_at,
  r.claimed_by,
  r.updated_at,
  r.progressed_at,
  r.waiting_until,
  r.not_before,
  r.follow_up,
  clock_timestamp() - r.updated_at as silent_for,
  gmail_sync._zombie_cause(
    r.claimed_at, r.updated_at, r.progressed_at, r.waiting_until,
    (select heartbeat_timeout from gmail_sync.settings),
    (select stall_timeout from gmail_sync.settings)
  ) as cause
from gmail_sync.user_sync_status r
where r.is_syncing;

comment on view gmail_sync._running_run is
'Runs that are queued or claimed, with heartbeat age and, for zombies, the cause.';
