-- The pg_cron jobs that gmail-sync needs with the installed version of pg_cron. Version 1.5 and
-- later can schedule by seconds; earlier ones need six passes within each minute.
--
-- A job's session takes the settings of its role and database, so each job sets what could end it.
-- The timeout of a statement is fixed when it begins, so a statement before it turns it off. Each
-- pass is a transaction, so that no lock is held during the pauses. A background worker of pg_cron
-- refuses to control transactions, so there reap_loop makes the passes. It also does so where
-- nobody may see whether pg_cron uses background workers.
--
-- A clock that is set back by an hour stops what waits by it for that hour: pg_sleep, and a
-- schedule by seconds. A pass each minute goes on, unless pg_cron itself waits. Then the workers do
-- its work, see run_fallback_reaper.

create or replace function gmail_sync._expected_cron_jobs()
returns table (jobname text, schedule text, command text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  with v as (
    select coalesce(
      (
        select string_to_array(split_part(extversion, '-', 1), '.')::int[] >= array[1, 5]
        from pg_extension
        where extname = 'pg_cron'
      ),
      false
    ) as by_seconds,
    'set transaction isolation level read committed; set statement_timeout = 0; '
    'set lock_timeout = ''5s''; ' as pins
  )
  select
    'zombie_task_cleanup',
    case when v.by_seconds then '10 seconds' else '* * * * *' end,
    case
      when v.by_seconds
        then v.pins || 'select gmail_sync.run_reaper(''pg_cron'')'
      when gmail_sync._visible_setting('cron.use_background_workers') is distinct from 'off'
        then 'call gmail_sync.reap_loop(''50 s'', ''10 s'')'
      else 'begin; ' || v.pins || 'set default_transaction_isolation = ''read committed''; commit; '
        || repeat(
          'begin; select gmail_sync.run_reaper(''pg_cron''); commit; select pg_sleep(10); ', 5
        )
        || 'select gmail_sync.run_reaper(''pg_cron'')'
    end
  from v
  union all
  select j.jobname, j.schedule, v.pins || j.command
  from v
  cross join (values
    ('zombie_task_fallback', '* * * * *', 'select gmail_sync.run_reaper(''pg_cron'')'),
    ('enqueue_due_syncs', '* * * * *', 'select gmail_sync.enqueue_due_syncs()'),
    ('prune_sync_history', '*/10 * * * *', 'select gmail_sync.prune_sync_history()'),
    -- It reads the whole history of pg_cron, which has no index for it, so it runs once an hour.
    ('prune_cron_history', '7 * * * *', 'select gmail_sync.prune_cron_history()')
  ) as j (jobname, schedule, command);
$$;

comment on function gmail_sync._expected_cron_jobs() is
'The pg_cron jobs gmail-sync needs.';

revoke all on function gmail_sync._expected_cron_jobs() from public;
