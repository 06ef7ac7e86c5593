-- The reasons why syncs are not healthy, in words that say what to do.

create or replace function gmail_sync._unhealthy_reasons(p_facts gmail_sync._health_facts)
returns text[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(reason order by rank, reason) filter (where reason is not null), '{}')
  from (
    select 1, case when p_facts.zombie_tasks > 0 then format(
      '%s running sync(s) have lost their worker; the reaper ends them, or run '
      'select * from gmail_sync.reap_zombie_syncs();', p_facts.zombie_tasks
    ) end
    union all
    select 2, case when p_facts.inconsistent_tasks > 0 then format(
      '%s sync(s) are in an impossible state; run '
      'select * from gmail_sync.repair_sync_consistency();', p_facts.inconsistent_tasks
    ) end
    union all
    select 3, format('%s is missing or not as it should be: run alembic upgrade head', rule)
    from gmail_sync._missing_constraints() rule
    union all
    select 4, case
      when (p_facts.reapers ->> 'pg_cron')::numeric
        > (select extract(epoch from reaper_alert) from gmail_sync.settings)
      then format(
        'pg_cron has not reaped for %s s', round((p_facts.reapers ->> 'pg_cron')::numeric)
      )
    end
    union all
    select 5, format('pg_cron: %s: %s', string_agg(jobname, ', ' order by jobname), problem)
    from gmail_sync.scheduler_status()
    where problem is not null
    group by problem
    union all
    select 6, reason
    from gmail_sync._unhealthy_worker_reasons(p_facts) reason
    union all
    select 7, case
      when p_facts.oldest_transaction_seconds
        > (select extract(epoch from longest_transaction) from gmail_sync.settings)
      then format(
        'a transaction has been open for %s s and holds back vacuum: find it in '
        'pg_stat_activity and end it with select pg_terminate_backend(pid);',
        round(p_facts.oldest_transaction_seconds)
      )
    end
    union all
    select 8, case when p_facts.notify_queue_percent > 50 then format(
      'the NOTIFY queue is %s %% full: a session listens and never reads; end it, or restart '
      'Postgres', p_facts.notify_queue_percent
    ) end
    union all
    select 9, case
      when gmail_sync._pg_cron_obstacle() is null and not exists (
        select from pg_stat_activity where backend_type = 'pg_cron launcher'
      ) then 'pg_cron''s launcher has died: restart Postgres; the service reaps meanwhile'
    end
  ) as r (rank, reason);
$$;

comment on function gmail_sync._unhealthy_reasons(gmail_sync._health_facts) is
'The reasons why syncs are not healthy.';

revoke all on function gmail_sync._unhealthy_reasons(gmail_sync._health_facts) from public;
