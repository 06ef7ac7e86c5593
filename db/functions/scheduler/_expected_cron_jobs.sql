-- The pg_cron jobs that gmail-sync needs with the installed version of pg_cron. Version 1.5 and
-- later can schedule by seconds; earlier ones need a loop within each minute.

create or replace function gmail_sync._expected_cron_jobs()
returns table (jobname text, schedule text, command text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select
    'zombie_task_cleanup',
    case when v.by_seconds then '10 seconds' else '* * * * *' end,
    case when v.by_seconds then 'select gmail_sync.run_reaper(''pg_cron'')'
      else 'call gmail_sync.reap_loop(''50 s'', ''10 s'')'
    end
  from (
    select coalesce(
      (
        select string_to_array(split_part(extversion, '-', 1), '.')::int[] >= array[1, 5]
        from pg_extension
        where extname = 'pg_cron'
      ),
      false
    ) as by_seconds
  ) v
  union all
  values
    ('enqueue_due_syncs', '* * * * *', 'select gmail_sync.enqueue_due_syncs()'),
    ('prune_sync_history', '*/10 * * * *', 'select gmail_sync.prune_sync_history()'),
    ('prune_cron_history', '*/10 * * * *', 'select gmail_sync.prune_cron_history()');
$$;

comment on function gmail_sync._expected_cron_jobs() is
'The pg_cron jobs gmail-sync needs.';

revoke all on function gmail_sync._expected_cron_jobs() from public;
