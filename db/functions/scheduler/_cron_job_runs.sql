-- The last run of each of these jobs of pg_cron. It has the same owner as _cron_jobs, for the same
-- reason. It reads only the latest 10,000 runs of all jobs: the only index is that on runid, and
-- there may be millions. pg_cron marks runs that a restart of the server ended as failed: they are
-- left out.

create or replace function gmail_sync._cron_job_runs(p_jobids bigint[])
returns table (
  jobid bigint, status text, return_message text, start_time timestamptz, end_time timestamptz
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
begin
  if gmail_sync._may_use_pg_cron() then
    return query
      select distinct on (r.jobid) r.jobid, r.status, r.return_message, r.start_time, r.end_time
      from (select * from cron.job_run_details order by runid desc limit 10000) r
      where r.jobid = any (p_jobids)
        and r.return_message is distinct from 'server restarted'
      order by r.jobid, r.runid desc;
  end if;
end;
$$;

comment on function gmail_sync._cron_job_runs(bigint[]) is
'The last run of each of these jobs of pg_cron.';

revoke all on function gmail_sync._cron_job_runs(bigint[]) from public;
