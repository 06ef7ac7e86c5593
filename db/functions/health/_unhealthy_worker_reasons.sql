-- The reasons why syncs are not healthy that concern workers; nulls for those that do not hold.

create or replace function gmail_sync._unhealthy_worker_reasons(p_facts gmail_sync._health_facts)
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_facts.oldest_waiting_seconds
      > (select extract(epoch from queue_timeout) from gmail_sync.settings)
      or p_facts.living_slots = 0 and p_facts.oldest_waiting_seconds
        > (select extract(epoch from pickup_alert) from gmail_sync.settings)
    then format(
      'no worker picks up: a sync has waited for %s s and %s worker(s) were seen',
      round(p_facts.oldest_waiting_seconds), p_facts.workers
    )
  end
  union all
  select case when p_facts.living_slots < p_facts.slots then format(
    '%s of %s worker slots fail again and again: the worker''s log says why at "thread failed"; '
    'if they do not recover, restart the worker',
    p_facts.slots - p_facts.living_slots, p_facts.slots
  ) end;
$$;

comment on function gmail_sync._unhealthy_worker_reasons(gmail_sync._health_facts) is
'The reasons why syncs are not healthy that concern workers.';

revoke all on function gmail_sync._unhealthy_worker_reasons(gmail_sync._health_facts) from public;
