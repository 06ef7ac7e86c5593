-- Undoes schedule_jobs: removes the jobs and, if gmail-sync installed it and nobody else uses
-- it, the extension.

create or replace function gmail_sync.unschedule_jobs()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
begin
  if not exists (select from pg_extension where extname = 'pg_cron') then
    return;
  end if;

  perform gmail_sync._take_over_cron_jobs(null);
  -- A caller who does not see all jobs cannot know that there is none.
  if not gmail_sync._may_use_pg_cron() or row_security_active('cron.job') then
    return;
  end if;
  if not exists (select from cron.job) and exists (
    select from pg_extension
    where extname = 'pg_cron'
      and obj_description(oid, 'pg_extension') = 'installed by gmail-sync'
  ) then
    drop extension pg_cron;
  end if;
end;
$$;

comment on function gmail_sync.unschedule_jobs() is
'Remove the jobs, and pg_cron if gmail-sync installed it and nobody else uses it.';

revoke all on function gmail_sync.unschedule_jobs() from public;
