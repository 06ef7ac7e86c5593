-- What sync_health reports and judges, in one row.

create or replace view gmail_sync._health_facts as
select
  (select count(*) from gmail_sync.account) as total_users,
  running.active_syncs,
  running.zombie_tasks,
  -- Where all rules are in force there can be none, and nobody has to look.
  case
    when exists (select from gmail_sync._missing_constraints()) then (
      select count(*)
      from gmail_sync.user_sync_status r
      where r.is_syncing
        and exists (
          select from gmail_sync._row_violations(to_jsonb(r)) f
          where f.rule not in ('zombie', 'stalled', 'counts_are_no_object')
        )
    )
    else 0
  end as inconsistent_tasks,
  (
    select count(*)
    from gmail_sync.user_sync_status
    where not is_syncing
      -- now(), because an index condition must not be volatile, as clock_timestamp() is.
      and finished_at between now() - interval '1 day' and now()
      and outcome = 'succeeded'
  ) as recent_completed_syncs,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
      'task_id', z.task_id,
      'user_id', z.user_id,
      'started_at', z.started_at,
      'last_update', z.updated_at,
      'silent_minutes', round(extract(epoch from z.silent_for) / 60, 1)
    ) order by z.updated_at), '[]')
    from (
      select *
      from gmail_sync._running_run
      where cause is not null
        -- The condition of the index runs_of_workers.
        and claimed_at is not null
      order by updated_at
      limit 5
    ) z
  ) as zombie_task_details,
  (
    select coalesce(jsonb_object_agg(
      reaper, greatest(0, round(extract(epoch from clock_timestamp() - beat_at), 1))
    ), '{}')
    from gmail_sync.reaper_beat
  ) as reapers,
  pg_is_in_recovery() as is_standby,
  running.waiting,
  running.oldest_waiting_seconds,
  live.workers,
  live.slots,
  live.living_slots,
  live.dropped_log_lines,
  (select count(*) from gmail_sync.fetch_queue where dead) as dead_letters,
  (
    select count(*) from gmail_sync.account where status in ('reauth_required', 'suspended')
  ) as accounts_to_reconnect,
  (
    select round(extract(epoch from clock_timestamp() - min(xact_start)), 1)
    from pg_stat_activity
    where backend_type = 'client backend' and (backend_xmin is not null or backend_xid is not null)
  ) as oldest_transaction_seconds,
  round((pg_notification_queue_usage() * 100)::numeric, 1) as notify_queue_percent
from (
  select
    count(*) filter (where claimed_at is not null) as active_syncs,
    count(*) filter (where cause is not null) as zombie_tasks,
    count(*) filter (where claimed_at is null) as waiting,
    round(extract(epoch from clock_timestamp() - min(
      least(greatest(started_at, not_before), clock_timestamp())
    ) filter (
      where claimed_at is null and not gmail_sync._run_waits(not_before, started_at)
    )), 1) as oldest_waiting_seconds
  from gmail_sync._running_run
) running
cross join (
  select
    count(*) as workers,
    coalesce(sum(capacity), 0) as slots,
    coalesce(sum(living_slots), 0) as living_slots,
    coalesce(sum(dropped_log_lines), 0) as dropped_log_lines
  from gmail_sync._live_workers
) live;

comment on view gmail_sync._health_facts is
'What sync_health reports and judges, in one row.';
