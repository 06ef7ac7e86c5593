-- The workers call this every ten seconds. Where settings.scheduler is 'pg_cron' and pg_cron reaps,
-- it does nothing. Otherwise it does pg_cron's work. Returns how many runs it ended, NULL when it
-- was not needed.

create or replace function gmail_sync.run_fallback_reaper()
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_last_beat timestamptz := (select beat_at from gmail_sync.reaper_beat where reaper = 'service');
  v_reaped bigint;
begin
  if (select scheduler from gmail_sync.settings) = 'pg_cron' and exists (
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
  -- Every ten minutes, as pg_cron does.
  if date_bin('10 min', v_last_beat, 'epoch')
    is distinct from date_bin('10 min', clock_timestamp(), 'epoch')
  then
    perform gmail_sync.prune_sync_history();
  end if;
  return v_reaped;
end;
$$;

comment on function gmail_sync.run_fallback_reaper() is
'Reap, start due syncs and prune, unless pg_cron does.';

revoke all on function gmail_sync.run_fallback_reaper() from public;
grant execute on function gmail_sync.run_fallback_reaper() to gmail_sync_service;
