-- The database's time, from which the service computes waits. p_task_id is the run that asks, if a
-- run does. Raises SY001 when that run's lease is gone.

create or replace function gmail_sync.database_time(p_task_id text default null)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_task_id is not null then
    perform gmail_sync._lease_owner(p_task_id);
  end if;
  return clock_timestamp();
end;
$$;

comment on function gmail_sync.database_time(text) is
'The database''s time; SY001 when the lease of the run that asks is gone.';

revoke all on function gmail_sync.database_time(text) from public;
grant execute on function gmail_sync.database_time(text) to gmail_sync_service;
