-- The service calls this every ten seconds. While pg_cron reaps it does nothing, otherwise it does
-- pg_cron's work. Returns how many runs it ended, NULL when it was not needed.

create or replace function gmail_sync.run_fallback_reaper()
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_reaped bigint;
begin
  if exists (
    select from gmail_sync.reaper_beat
    where reaper = 'pg_cron'
      and gmail_sync._is_within(
        beat_at,
        (select reaper_timeout from gmail_sync.settings),
        (select reaper_timeout from gmail_sync.settings)
      )
  ) then
    return null;
  end if;

  v_reaped := gmail_sync.run_reaper('service');
  perform gmail_sync.enqueue_due_syncs();
  return v_reaped;
end;
$$;

comment on function gmail_sync.run_fallback_reaper() is
'Reap and enqueue in place of a pg_cron that has stopped.';

revoke all on function gmail_sync.run_fallback_reaper() from public;
grant execute on function gmail_sync.run_fallback_reaper() to gmail_sync_service;
