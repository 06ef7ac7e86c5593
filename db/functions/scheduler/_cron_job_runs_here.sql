-- Whether a job of pg_cron with this address runs in this database. pg_cron writes the address into
-- the job when it is created. It keeps it when the database is renamed or restored, or the server
-- gets another port. Background workers connect to nothing, so only the database counts. A standby
-- has the jobs of its primary.

create or replace function gmail_sync._cron_job_runs_here(
  p_database text, p_nodename text, p_nodeport integer
)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select p_database = current_database() and (
    pg_is_in_recovery()
    -- An owner that may not see it cannot judge the address.
    or gmail_sync._visible_setting('cron.use_background_workers') is distinct from 'off'
    or p_nodeport = current_setting('port')::integer and (
      p_nodename in ('', 'localhost', '127.0.0.1', '::1')
      -- A folder with the server's socket.
      or p_nodename like '/%'
      or p_nodename is not distinct from gmail_sync._visible_setting('cron.host')
    )
  ) is true;
$$;

comment on function gmail_sync._cron_job_runs_here(text, text, integer) is
'Whether a job of pg_cron with this address runs in this database.';

revoke all on function gmail_sync._cron_job_runs_here(text, text, integer) from public;
