-- One pass of a scheduled reaper: records its heartbeat, and the clock if it was set back, then
-- reaps. Returns how many runs it ended. The heartbeat is in the same transaction, so health counts
-- finished passes only.

create or replace function gmail_sync.run_reaper(p_reaper text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_reaped bigint;
begin
  -- A beat of the future, of any reaper, shows that the clock was set back.
  update gmail_sync.reaper_beat
  set beat_at = clock_timestamp(),
    set_back_at = clock_timestamp(),
    set_back_by = beat_at - clock_timestamp()
  where beat_at - clock_timestamp() > (select reaper_timeout from gmail_sync.settings);
  insert into gmail_sync.reaper_beat as b (reaper, beat_at)
  values (p_reaper, clock_timestamp())
  on conflict (reaper) do update set beat_at = excluded.beat_at;
  perform gmail_sync._restart_waits();

  select count(*) into v_reaped from gmail_sync._reap_zombies(null);
  return v_reaped;
end;
$$;

comment on function gmail_sync.run_reaper(text) is
'One pass of the reaper of that name: beat and reap.';

revoke all on function gmail_sync.run_reaper(text) from public;
grant execute on function gmail_sync.run_reaper(text) to gmail_sync_service, gmail_sync_dba;
