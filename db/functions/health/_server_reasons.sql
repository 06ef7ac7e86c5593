-- The reasons that concern this server: pg_cron, vacuum and the NOTIFY queue. Jobs and reaper
-- run on the primary, so a standby reports only how old its news of them is.

create or replace function gmail_sync._server_reasons(p_facts gmail_sync._health_facts)
returns table (reason text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when (p_facts.reapers ->> 'pg_cron')::numeric
      > (select extract(epoch from reaper_alert) from gmail_sync.settings)
    then format(
      case
        when p_facts.is_standby
          then 'this is a standby, and its last news of pg_cron is %s s old. Replication lags, or '
            'the primary does not reap: call gmail_sync.sync_health() there'
        else 'pg_cron has not reaped for %s s'
      end,
      round((p_facts.reapers ->> 'pg_cron')::numeric)
    )
  end
  union all
  select gmail_sync._clock_reason()
  union all
  select primary_reason.reason
  from (
    select format('pg_cron: %s: %s', string_agg(jobname, ', ' order by jobname), problem)
    from gmail_sync.scheduler_status()
    where problem is not null
    group by problem
    union all
    select gmail_sync._vacuum_reasons()
    union all
    select gmail_sync._xmin_horizon_reasons()
    union all
    select case when p_facts.notify_queue_percent > 50 then format(
      'the NOTIFY queue is %s %% full: a session listens and never reads; end it, or restart '
      'Postgres', p_facts.notify_queue_percent
    ) end
    union all
    select case
      -- Only members of pg_monitor see it.
      when pg_has_role('pg_monitor', 'usage')
        and gmail_sync._pg_cron_obstacle() is null and not exists (
        select from pg_stat_activity where backend_type = 'pg_cron launcher'
      ) then 'pg_cron''s launcher has died: restart Postgres; the service reaps meanwhile'
    end
  ) as primary_reason (reason)
  where not p_facts.is_standby;
$$;

comment on function gmail_sync._server_reasons(gmail_sync._health_facts) is
'The reasons that concern this server: pg_cron, vacuum and the NOTIFY queue.';

revoke all on function gmail_sync._server_reasons(gmail_sync._health_facts) from public;
