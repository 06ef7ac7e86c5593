-- The jobs that gmail-sync needs, each with its last run, and jobs that should not exist. problem
-- says what is wrong, in words, or is NULL. It reads pg_cron's tables if they exist. Only
-- last_message may quote data of a statement.

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
    select e.jobname, coalesce(j.schedule, e.schedule), coalesce(j.command, e.command),
      coalesce(j.active, false), d.status, d.return_message, d.start_time, d.end_time,
      case
        when j.jobid is null
          then 'the job is missing: run select * from gmail_sync.schedule_jobs();'
        when not j.active
          then format(
            'the job is inactive: run select cron.alter_job(%s, active := true);', j.jobid
          )
        when (j.schedule, j.command) <> (e.schedule, e.command)
          then 'the job was changed: run select * from gmail_sync.schedule_jobs();'
        when d.status = 'failed' then 'the last run failed: last_message says why'
      end
    from gmail_sync._expected_cron_jobs() e
    left join lateral (
      select *
      from cron.job o
      where o.jobname = e.jobname
        and o.database = current_database()
      order by o.username
      limit 1
    ) j on true
    left join lateral (
      select r.status, r.return_message, r.start_time, r.end_time
      from cron.job_run_details r
      where r.jobid = j.jobid
      order by r.runid desc
      limit 1
    ) d on true
    union all
    select j.jobname, j.schedule, j.command, j.active, null, null, null, null,
      format(
        'a stray job of %s in database %s: run select cron.unschedule(%s); there',
        j.username, j.database, j.jobid
      )
    from cron.job j
    where j.command like '%gmail\_sync.%'
      and not (
        j.database = current_database()
        and exists (select from gmail_sync._expected_cron_jobs() e where e.jobname = j.jobname)
        and j.username = (
          select min(o.username) from cron.job o
          where o.jobname = j.jobname and o.database = j.database
        )
      );
end;
$$;

comment on function gmail_sync.scheduler_status() is
'The pg_cron jobs with their last runs and what is wrong with them.';

revoke all on function gmail_sync.scheduler_status() from public;
grant execute on function gmail_sync.scheduler_status()
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
