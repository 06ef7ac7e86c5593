-- The jobs of pg_cron in this database, and those that call gmail-sync. pg_cron shows a role only
-- its own jobs, so schedule_jobs gives this function to the role that owns them. Before that, it
-- returns nothing.

create or replace function gmail_sync._cron_jobs()
returns table (
  jobid bigint, jobname text, schedule text, command text, database text, nodename text,
  nodeport integer, username text, active boolean
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
      select j.jobid, j.jobname::text, j.schedule, j.command, j.database, j.nodename, j.nodeport,
        j.username, j.active
      from cron.job j
      where j.database = current_database() or strpos(j.command, 'gmail_sync.') > 0;
  end if;
end;
$$;

comment on function gmail_sync._cron_jobs() is
'The jobs of pg_cron in this database, and those that call gmail-sync.';

revoke all on function gmail_sync._cron_jobs() from public;
