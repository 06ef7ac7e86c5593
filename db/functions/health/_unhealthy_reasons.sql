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
    select 4, reason
    from gmail_sync._unhealthy_worker_reasons(p_facts) reason
    union all
    select 5, s.reason from gmail_sync._server_reasons(p_facts) s
    union all
    select 6, reason from gmail_sync._operator_reasons() reason
    union all
    select 7, reason from gmail_sync._quota_reasons() reason
    union all
    select 8, reason from gmail_sync._webhook_reasons() reason
  ) as r (rank, reason);
$$;

comment on function gmail_sync._unhealthy_reasons(gmail_sync._health_facts) is
'The reasons why syncs are not healthy.';

revoke all on function gmail_sync._unhealthy_reasons(gmail_sync._health_facts) from public;
