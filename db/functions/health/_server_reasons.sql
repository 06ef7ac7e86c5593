-- The reasons that concern this server: the scheduler, its clock, vacuum and the NOTIFY queue.

create or replace function gmail_sync._server_reasons(p_facts gmail_sync._health_facts)
returns table (reason text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.reason from gmail_sync._scheduler_reasons(p_facts) s
  union all
  select gmail_sync._clock_reason()
  union all
  select primary_reason.reason
  from (
    select unnest(p_facts.vacuum_reasons)
    union all
    select case when p_facts.notify_queue_percent > 50 then format(
      'the NOTIFY queue is %s %% full: a session listens and never reads; end it, or restart '
      'Postgres', p_facts.notify_queue_percent
    ) end
  ) as primary_reason (reason)
  where not p_facts.is_standby;
$$;

comment on function gmail_sync._server_reasons(gmail_sync._health_facts) is
'The reasons that concern this server: the scheduler, its clock, vacuum and the NOTIFY queue.';

revoke all on function gmail_sync._server_reasons(gmail_sync._health_facts) from public;
