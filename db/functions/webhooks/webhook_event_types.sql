-- The types of events that a webhook can get, in the order in which to show them.

create or replace function gmail_sync.webhook_event_types()
returns text[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select enum_range(null::gmail_sync.webhook_event_type)::text[];
$$;

comment on function gmail_sync.webhook_event_types() is
'The types of events that a webhook can get.';

revoke all on function gmail_sync.webhook_event_types() from public;
grant execute on function gmail_sync.webhook_event_types()
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
