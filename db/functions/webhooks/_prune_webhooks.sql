-- Deletes old deliveries, and events that a dead webhook did not accept, up to p_limit of each.

create or replace function gmail_sync._prune_webhooks(p_limit integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_settings gmail_sync.settings := (select s from gmail_sync.settings s);
begin
  delete from gmail_sync.webhook_delivery
  where id in (
    select d.id from gmail_sync.webhook_delivery d
    where d.ended_at < now() - v_settings.webhook_history_retention
    order by d.ended_at
    limit p_limit
  );
  delete from gmail_sync.webhook_event
  where id in (
    select e.id from gmail_sync.webhook_event e
    where e.created_at < now() - v_settings.webhook_disable_after
    order by e.created_at
    limit p_limit
  );
end;
$$;

comment on function gmail_sync._prune_webhooks(integer) is
'Delete old deliveries, and old events of dead webhooks.';

revoke all on function gmail_sync._prune_webhooks(integer) from public;
