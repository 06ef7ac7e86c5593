-- Deletes what pg_cron keeps of our jobs' runs for longer than p_keep, at most p_limit rows in one
-- pass. Returns how many. pg_cron's tables are its installer's, hence no SECURITY DEFINER.

create or replace function gmail_sync.prune_cron_history(
  p_keep interval default '7 days', p_limit integer default 10000
)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
  v_count integer;
begin
  delete from cron.job_run_details
  where runid in (
    select d.runid
    from cron.job_run_details d
    where coalesce(d.end_time, d.start_time) < clock_timestamp() - p_keep
      and (
        d.jobid = any (array(
          select j.jobid from cron.job j where strpos(j.command, 'gmail_sync.') > 0
        ))
        -- The runs of a job that was replaced.
        or strpos(d.command, 'gmail_sync.') > 0
      )
    limit p_limit
  );
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;

comment on function gmail_sync.prune_cron_history(interval, integer) is
'Delete what pg_cron keeps of our jobs'' runs for longer than that.';

revoke all on function gmail_sync.prune_cron_history(interval, integer) from public;
