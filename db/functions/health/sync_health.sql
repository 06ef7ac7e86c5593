-- Whether syncs are healthy, and the reasons if not. Only zombie_task_details contains user and
-- task ids. estimates names the counts that are not exact: those beyond 3,000.

create or replace function gmail_sync.sync_health()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'healthy', r.reasons = '{}',
    'timestamp', clock_timestamp(),
    'reasons', to_jsonb(r.reasons),
    'statistics', jsonb_build_object(
      'total_users', f.total_users,
      'active_syncs', f.active_syncs,
      'zombie_tasks', f.zombie_tasks,
      'inconsistent_tasks', f.inconsistent_tasks,
      'recent_completed_syncs', f.recent_completed_syncs
    ),
    'estimates', to_jsonb(f.estimates),
    'zombie_task_details', f.zombie_task_details,
    'standby', f.is_standby,
    'reapers', f.reapers,
    'queue', jsonb_build_object(
      'waiting', f.waiting, 'oldest_seconds', f.oldest_waiting_seconds
    ),
    'workers', f.workers,
    'slots', jsonb_build_object('configured', f.slots, 'living', f.living_slots),
    'dead_letters', f.dead_letters,
    'accounts_to_reconnect', f.accounts_to_reconnect,
    'watches_ending', f.watches_ending,
    'quota', gmail_sync._quota_days(),
    'webhooks', gmail_sync._count_webhooks(),
    'oldest_transaction_seconds', f.oldest_transaction_seconds,
    'vacuum_problems', cardinality(f.vacuum_reasons),
    'notify_queue_percent', f.notify_queue_percent,
    'dropped_log_lines', f.dropped_log_lines
  )
  from gmail_sync._health_facts f
  cross join lateral gmail_sync._unhealthy_reasons(f) as r (reasons);
$$;

comment on function gmail_sync.sync_health() is
'Whether syncs are healthy, and why not.';

revoke all on function gmail_sync.sync_health() from public;
grant execute on function gmail_sync.sync_health()
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
