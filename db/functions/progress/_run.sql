-- The shape in which functions return a run. The successor is found through resumes, never
-- written into the ended row.

create or replace view gmail_sync._run as
select
  r.task_id,
  r.user_id::text as user_id,
  r.is_syncing,
  r.sync_type,
  r.phase,
  r.progress_percentage,
  r.current_stats,
  r.outcome,
  r.error_code,
  r.error_message,
  r.source,
  r.attempt,
  r.started_at,
  r.claimed_at,
  r.claimed_by,
  r.updated_at,
  r.progressed_at,
  r.waiting_until,
  r.not_before,
  r.finished_at,
  r.follow_up,
  r.resumes,
  (
    select s.task_id
    from gmail_sync.user_sync_status s
    where s.resumes = r.task_id
  ) as successor,
  case when r.is_syncing then ceil(extract(epoch from gmail_sync._run_eta(r)))::integer end
    as eta_seconds,
  case when r.is_syncing then gmail_sync._messages_a_minute(r) end as messages_a_minute,
  case
    when not r.is_syncing or r.waiting_until is null or r.waiting_until <= clock_timestamp()
      then null
    when gmail_sync._is_quota_reset(r.waiting_until) then 'day_quota'
    else 'gmail'
  end as waits_for,
  -- A worker that is there takes a due run within seconds.
  r.is_syncing
    and r.claimed_at is null
    and not gmail_sync._run_waits(r.not_before, r.started_at)
    and (
      not gmail_sync._is_within(
          greatest(r.started_at, r.not_before),
          (select s.pickup_timeout from gmail_sync.settings s),
          interval '0'
        )
        and not exists (select from gmail_sync._live_workers where living_slots > 0)
      or greatest(r.started_at, r.not_before)
        < clock_timestamp() - (select s.queue_timeout from gmail_sync.settings s)
    ) as worker_missing
from gmail_sync.user_sync_status r;

comment on view gmail_sync._run is
'Runs, running and ended, with what took over, the time left, and whether no worker comes.';
