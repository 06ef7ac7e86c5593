-- Changes settings.scheduler, with the caller's rights; NULL changes nothing. Health then waits for
-- the first pass of the new scheduler, and forgets those of the other.

create or replace function gmail_sync._choose_scheduler(p_scheduler text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update gmail_sync.settings
  set scheduler = p_scheduler
  where scheduler <> p_scheduler;
  if found then
    delete from gmail_sync.reaper_beat;
    insert into gmail_sync.reaper_beat (reaper, beat_at) values (p_scheduler, clock_timestamp());
  end if;
end;
$$;

comment on function gmail_sync._choose_scheduler(text) is
'Change settings.scheduler; NULL changes nothing.';

revoke all on function gmail_sync._choose_scheduler(text) from public;
