-- Removes our jobs from pg_cron, except those of role p_keep that are active and run here. It has
-- the same owner as _cron_jobs: pg_cron lets a role remove only its own jobs. A superuser removes
-- all.

create or replace function gmail_sync._unschedule_cron_jobs(p_keep text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform cron.unschedule(j.jobid)
  from gmail_sync._cron_jobs() j
  join gmail_sync._expected_cron_jobs() e using (jobname)
  where (
    j.username = p_keep
    and j.active
    and gmail_sync._cron_job_runs_here(j.database, j.nodename, j.nodeport)
  ) is not true;
end;
$$;

comment on function gmail_sync._unschedule_cron_jobs(text) is
'Remove our jobs from pg_cron, except those of a role that are active and run here.';

revoke all on function gmail_sync._unschedule_cron_jobs(text) from public;
