-- Extends the lease of a running sync. False means that the lease is gone: the run was reaped,
-- cancelled or released, and the caller must stop writing.

create or replace function gmail_sync.heartbeat(p_task_id text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update gmail_sync.user_sync_status
  set updated_at = clock_timestamp()
  where task_id = p_task_id
    and finished_at is null;

  return found;
end;
$$;

comment on function gmail_sync.heartbeat(text) is
'Extend the lease of a running sync; false when the lease is gone.';

revoke all on function gmail_sync.heartbeat(text) from public;
grant execute on function gmail_sync.heartbeat(text) to gmail_sync_service;
