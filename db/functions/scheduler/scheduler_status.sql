-- The jobs that gmail-sync needs, each with its last run, and jobs that should not exist. problem
-- says what is wrong, in words, or is NULL. Only last_message may quote data of a statement. There
-- are no rows where the service schedules.

create or replace function gmail_sync.scheduler_status()
returns table (
  jobname text,
  schedule text,
  command text,
  active boolean,
  last_status text,
  last_message text,
  last_started_at timestamptz,
  last_finished_at timestamptz,
  problem text
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if (select scheduler from gmail_sync.settings) <> 'pg_cron' then
    return;
  end if;
  if not exists (select from pg_extension where extname = 'pg_cron') then
    return query
      select e.jobname, e.schedule, e.command, false, null::text, null::text,
        null::timestamptz, null::timestamptz,
        coalesce(
          gmail_sync._pg_cron_obstacle(),
          'pg_cron is not set up here: run select * from gmail_sync.schedule_jobs();'
        )
      from gmail_sync._expected_cron_jobs() e;
    return;
  end if;

  return query
    with job as materialized (
      select e.jobname, e.schedule, e.command, j.jobid, j.is_here, j.active, j.username,
        j.schedule as schedule_now, j.command as command_now,
        format('%s at %s:%s', j.database, j.nodename, j.nodeport) as address
      from gmail_sync._expected_cron_jobs() e
      left join lateral (
        select *, gmail_sync._cron_job_runs_here(o.database, o.nodename, o.nodeport) as is_here
        from gmail_sync._cron_jobs() o
        where o.jobname = e.jobname
        order by is_here desc, o.username
        limit 1
      ) j on true
    )
    select j.jobname, coalesce(j.schedule_now, j.schedule), coalesce(j.command_now, j.command),
      coalesce(j.active, false), d.status, d.return_message, d.start_time, d.end_time,
      case
        when c.problem is not null then c.problem
        when not j.active
          then format(
            'the job is inactive: run select cron.alter_job(%s, active := true);', j.jobid
          )
        when d.status = 'failed' then 'the last run failed: last_message says why'
      end
    from job j
    cross join gmail_sync._cron_job_problem(
      j.jobid, j.is_here, j.address, j.username, j.active,
      (j.schedule_now, j.command_now) <> (j.schedule, j.command)
    ) as c (problem)
    left join gmail_sync._cron_job_runs((select array_agg(o.jobid) from job o)) d using (jobid)
    union all
    select s.jobname, s.schedule, s.command, s.active, null, null, null, null,
      format(
        'a stray job of %s in database %s: run select cron.unschedule(%s);',
        s.username, s.database, s.jobid
      )
    from gmail_sync._cron_jobs() s
    where strpos(s.command, 'gmail_sync.') > 0
      and s.jobid not in (select j.jobid from job j where j.jobid is not null);
end;
$$;

comment on function gmail_sync.scheduler_status() is
'The pg_cron jobs with their last runs and what is wrong with them.';

revoke all on function gmail_sync.scheduler_status() from public;
grant execute on function gmail_sync.scheduler_status()
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
