-- What sync_health reports and judges, in one row.

create or replace view gmail_sync._health_facts as
with zombie as materialized (select * from gmail_sync._sampled_zombies())
select
  (counted.numbers ->> 'total_users')::bigint as total_users,
  (counted.numbers ->> 'active_syncs')::bigint as active_syncs,
  case
    when 'active_syncs' = any (counted.estimates)
      then round((select count(*) from zombie) * (numbers ->> 'active_syncs')::numeric / 3000)
    else (select count(*) from zombie)
  end::bigint as zombie_tasks,
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
  (counted.numbers ->> 'recent_completed_syncs')::bigint as recent_completed_syncs,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
      'task_id', z.task_id,
      'user_id', z.user_id,
      'started_at', z.started_at,
      'last_update', z.updated_at,
      'silent_minutes', round(extract(epoch from clock_timestamp() - z.updated_at) / 60, 1)
    ) order by z.updated_at), '[]')
    from (select * from zombie order by updated_at limit 5) z
  ) as zombie_task_details,
  (
    select coalesce(jsonb_object_agg(
      reaper, greatest(0, round(extract(epoch from clock_timestamp() - beat_at), 1))
    ), '{}')
    from gmail_sync.reaper_beat
  ) as reapers,
  pg_is_in_recovery() as is_standby,
  (counted.numbers ->> 'waiting')::bigint as waiting,
  gmail_sync._oldest_waiting_seconds() as oldest_waiting_seconds,
  live.workers,
  live.slots,
  live.living_slots,
  live.dropped_log_lines,
  (counted.numbers ->> 'dead_letters')::bigint as dead_letters,
  (counted.numbers ->> 'accounts_to_reconnect')::bigint as accounts_to_reconnect,
  (counted.numbers ->> 'watches_ending')::bigint as watches_ending,
  counted.estimates,
  (
    select round(extract(epoch from clock_timestamp() - min(xact_start)), 1)
    from pg_stat_activity
    where backend_type = 'client backend' and (backend_xmin is not null or backend_xid is not null)
  ) as oldest_transaction_seconds,
  round((pg_notification_queue_usage() * 100)::numeric, 1) as notify_queue_percent,
  -- A standby does not vacuum.
  case
    when pg_is_in_recovery() then '{}'
    else array(
      select gmail_sync._vacuum_reasons()
      union all
      select gmail_sync._xmin_horizon_reasons()
    )
  end as vacuum_reasons
from (
  select
    jsonb_object_agg(name, number) as numbers,
    coalesce(
      array_agg(name order by name) filter (where is_estimate), '{}'
    ) as estimates
  from gmail_sync._bounded_counts()
) counted
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
