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

  perform cron.unschedule(j.jobid)
  from cron.job j
  join gmail_sync._expected_cron_jobs() e using (jobname)
  where j.database = current_database() or strpos(j.command, 'gmail_sync.') > 0;
  drop policy if exists gmail_sync_reads on cron.job;
  drop policy if exists gmail_sync_reads on cron.job_run_details;
  revoke usage on schema cron from gmail_sync_owner;
  revoke select on cron.job, cron.job_run_details from gmail_sync_owner;

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
