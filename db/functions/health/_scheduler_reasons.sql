-- The reasons that concern who reaps and starts due syncs: pg_cron, or the service. Jobs and reaper
-- run on the primary, so a standby reports only how old its news of them is.

create or replace function gmail_sync._scheduler_reasons(p_facts gmail_sync._health_facts)
returns table (reason text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select format(
    case
      when p_facts.is_standby
        then 'this is a standby, and its last news of %s is %s s old. Replication lags, or the '
          'primary does not reap: call gmail_sync.sync_health() there'
      when s.scheduler = 'pg_cron' then '%s has not reaped for %s s'
      else 'the %s has not reaped for %s s: start gmail-sync serve or gmail-sync worker'
    end,
    s.scheduler, round((p_facts.reapers ->> s.scheduler)::numeric)
  )
  from gmail_sync.settings s
  where (p_facts.reapers ->> s.scheduler)::numeric > extract(epoch from s.reaper_alert)
  union all
  select format('pg_cron: %s: %s', string_agg(j.jobname, ', ' order by j.jobname), j.problem)
  from gmail_sync.scheduler_status() j
  where not p_facts.is_standby
    and j.problem is not null
  group by j.problem
  union all
  select 'pg_cron''s launcher has died: restart Postgres; the service reaps meanwhile'
  from gmail_sync.settings s
  where not p_facts.is_standby
    and s.scheduler = 'pg_cron'
    -- Only its members see the launcher.
    and pg_has_role('pg_monitor', 'usage')
    and gmail_sync._pg_cron_obstacle() is null
    and not exists (select from pg_stat_activity where backend_type = 'pg_cron launcher');
$$;

comment on function gmail_sync._scheduler_reasons(gmail_sync._health_facts) is
'The reasons that concern who reaps and starts due syncs.';

revoke all on function gmail_sync._scheduler_reasons(gmail_sync._health_facts) from public;
