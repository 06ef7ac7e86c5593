-- living_slots are the slots that work; the others failed and are about to start again. Both counts
-- are the worker's own. Raises 23514 when more slots live than there are.

create or replace function gmail_sync.worker_heartbeat(
  p_worker uuid,
  p_version text,
  p_capacity integer,
  p_living_slots integer default null,
  p_dropped_log_lines bigint default 0
)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into gmail_sync.worker as w (id, version, capacity, living_slots, dropped_log_lines)
  values (
    p_worker, p_version, p_capacity, coalesce(p_living_slots, p_capacity), p_dropped_log_lines
  )
  on conflict (id) do update
  set seen_at = clock_timestamp(),
    living_slots = excluded.living_slots,
    dropped_log_lines = excluded.dropped_log_lines;
$$;

comment on function gmail_sync.worker_heartbeat(uuid, text, integer, integer, bigint) is
'Say that a worker is there, and how many of its slots work; all if that is null.';

revoke all on function gmail_sync.worker_heartbeat(uuid, text, integer, integer, bigint)
  from public;
grant execute on function gmail_sync.worker_heartbeat(uuid, text, integer, integer, bigint)
  to gmail_sync_service;
