create or replace function gmail_sync.worker_heartbeat(
  p_worker uuid, p_version text, p_capacity integer
)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into gmail_sync.worker as w (id, version, capacity)
  values (p_worker, p_version, p_capacity)
  on conflict (id) do update set seen_at = clock_timestamp();
$$;

comment on function gmail_sync.worker_heartbeat(uuid, text, integer) is
'Say that a worker is there.';

revoke all on function gmail_sync.worker_heartbeat(uuid, text, integer) from public;
grant execute on function gmail_sync.worker_heartbeat(uuid, text, integer) to gmail_sync_service;
