-- Installs pg_cron where possible and schedules the jobs of gmail-sync. It replaces jobs that are
-- inactive, or that have another owner or address. Where settings.scheduler is 'service', it
-- removes them instead; p_scheduler changes that setting. Returns for each item what was done, or
-- what to do by hand. Safe to run twice.
--
-- The caller becomes the owner of the jobs, hence no SECURITY DEFINER. A superuser may run it, and
-- a member of gmail_sync_owner who may use pg_cron.

create or replace function gmail_sync.schedule_jobs(p_scheduler text default null)
returns table (item text, done boolean, message text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
  v_obstacle text;
  v_job record;
begin
  perform gmail_sync._choose_scheduler(p_scheduler);
  if (select scheduler from gmail_sync.settings) = 'service' then
    perform gmail_sync.unschedule_jobs();
    return query select 'service', true, 'the workers reap, start due syncs and prune';
    return;
  end if;

  v_obstacle := coalesce(gmail_sync._pg_cron_obstacle(), gmail_sync._install_pg_cron());
  if v_obstacle is not null then
    return query select 'pg_cron', false, v_obstacle;
    return;
  end if;

  perform gmail_sync._take_over_cron_jobs(current_user);
  begin
    for v_job in select * from gmail_sync._expected_cron_jobs() loop
      perform cron.schedule(v_job.jobname, v_job.schedule, v_job.command);
    end loop;
  exception when insufficient_privilege then
    return query select 'pg_cron', false, format(
      '%s. A role that is not a superuser, is a member of gmail_sync_owner and may use pg_cron can '
      'run select * from gmail_sync.schedule_jobs();', sqlerrm
    );
    return;
  end;

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

comment on function gmail_sync.schedule_jobs(text) is
'Install pg_cron where possible and schedule the jobs; says what was done or is to be done.';

revoke all on function gmail_sync.schedule_jobs(text) from public;
