-- Installs pg_cron where possible and schedules the jobs of gmail-sync. It replaces jobs that are
-- inactive, or that have another owner or address. Returns for each item what was done, or what to
-- do by hand. Safe to run twice. The caller becomes the owner of the jobs, so a superuser runs it;
-- hence no SECURITY DEFINER.

create or replace function gmail_sync.schedule_jobs()
returns table (item text, done boolean, message text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
  v_obstacle text := gmail_sync._pg_cron_obstacle();
  v_job record;
begin
  if v_obstacle is not null then
    return query select 'pg_cron', false, v_obstacle;
    return;
  end if;

  if not exists (select from pg_extension where extname = 'pg_cron') then
    create extension pg_cron;
    comment on extension pg_cron is 'installed by gmail-sync';
  end if;
  -- Reading the jobs needs all of these rights: without them, no job is visible.
  grant usage on schema cron to gmail_sync_owner;
  grant select on cron.job, cron.job_run_details to gmail_sync_owner;
  drop policy if exists gmail_sync_reads on cron.job;
  create policy gmail_sync_reads on cron.job for select to gmail_sync_owner using (true);
  drop policy if exists gmail_sync_reads on cron.job_run_details;
  create policy gmail_sync_reads on cron.job_run_details
    for select to gmail_sync_owner using (true);

  -- A job is identified by name and owner: jobs of another superuser would run beside ours. Of a
  -- job that exists pg_cron changes only schedule and command.
  perform cron.unschedule(j.jobid)
  from cron.job j
  join gmail_sync._expected_cron_jobs() e using (jobname)
  where (j.username = current_user or strpos(j.command, 'gmail_sync.') > 0)
    and not (
      j.username = current_user
      and j.active
      and gmail_sync._cron_job_runs_here(j.database, j.nodename, j.nodeport)
    );
  for v_job in select * from gmail_sync._expected_cron_jobs() loop
    perform cron.schedule(v_job.jobname, v_job.schedule, v_job.command);
  end loop;

  return query
    select e.jobname, j.jobid is not null,
      case
        when j.jobid is not null then format('scheduled at %s', e.schedule)
        else 'pg_cron keeps no such job here: gmail_sync.scheduler_status() says what it keeps'
      end
    from gmail_sync._expected_cron_jobs() e
    left join cron.job j
      on j.jobname = e.jobname
      and j.username = current_user
      and j.active
      and (j.schedule, j.command) = (e.schedule, e.command)
      and gmail_sync._cron_job_runs_here(j.database, j.nodename, j.nodeport);
end;
$$;

comment on function gmail_sync.schedule_jobs() is
'Install pg_cron where possible and schedule the jobs; says what was done or is to be done.';

revoke all on function gmail_sync.schedule_jobs() from public;
