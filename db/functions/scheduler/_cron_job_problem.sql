-- What is wrong with how a job of pg_cron is kept, with the remedy; NULL when nothing is.
-- p_jobid is NULL when there is no such job.

create or replace function gmail_sync._cron_job_problem(
  p_jobid bigint, p_is_here boolean, p_address text, p_username text, p_active boolean,
  p_changed boolean
)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_jobid is null then 'the job is missing: '
    when not p_is_here then format('the job runs in database %s, not here: ', p_address)
    when not exists (select from pg_roles where rolname = p_username and rolcanlogin)
      then format('the job belongs to role %s, which cannot log in: ', p_username)
    when p_active and p_changed then 'the job was changed: '
  end || 'run select * from gmail_sync.schedule_jobs();';
$$;

comment on function gmail_sync._cron_job_problem(bigint, boolean, text, text, boolean, boolean) is
'What is wrong with how a job of pg_cron is kept, with the remedy; NULL when nothing is.';

revoke all on function gmail_sync._cron_job_problem(bigint, boolean, text, text, boolean, boolean)
  from public;
