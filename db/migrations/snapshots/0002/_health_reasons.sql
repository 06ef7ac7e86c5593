-- Why syncs are not healthy, in words that say what to do.

create or replace function gmail_sync._health_reasons(p_facts gmail_sync._health_facts)
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
      '%s running sync(s) are in an impossible state', p_facts.inconsistent_tasks
    ) end
    union all
    select 3, format('%s is missing or not as it should be: run alembic upgrade head', rule)
    from gmail_sync._missing_rules() rule
    union all
    select 4, case
      when (p_facts.reapers ->> 'pg_cron')::numeric > 45 then format(
        'pg_cron has not reaped for %s s', round((p_facts.reapers ->> 'pg_cron')::numeric)
      )
    end
    union all
    select 5, format('pg_cron: %s: %s', string_agg(jobname, ', ' order by jobname), problem)
    from gmail_sync.scheduler_status()
    where problem is not null
    group by problem
    union all
    select 6, case
      when p_facts.oldest_waiting_seconds
        > (select extract(epoch from queue_timeout) from gmail_sync.settings)
        or p_facts.oldest_waiting_seconds > 30 and p_facts.workers = 0
      then format(
        'no worker picks up: a sync has waited for %s s and %s worker(s) were seen',
        round(p_facts.oldest_waiting_seconds), p_facts.workers
      )
    end
  ) as r (rank, reason);
$$;

comment on function gmail_sync._health_reasons(gmail_sync._health_facts) is
'Why syncs are not healthy, in words.';

revoke all on function gmail_sync._health_reasons(gmail_sync._health_facts) from public;
