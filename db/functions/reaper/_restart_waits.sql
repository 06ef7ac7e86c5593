-- Dates queued runs that started in the future, because the clock was set back, to now. From then
-- on they age, and health counts how long they wait. They are due: what they waited for is unknown.

create or replace function gmail_sync._restart_waits()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
begin
  update gmail_sync.user_sync_status
  set started_at = v_now, updated_at = v_now, not_before = v_now, waiting_until = null
  where task_id = any (array(
    select r.task_id
    from gmail_sync.user_sync_status r
    where r.is_syncing
      and r.claimed_at is null
      and r.started_at > v_now
    for update skip locked
  ));
end;
$$;

comment on function gmail_sync._restart_waits() is
'Date queued runs that started in the future to now.';

revoke all on function gmail_sync._restart_waits() from public;
