-- The last attempts to deliver events to a webhook, newest first; p_user_id as list_webhooks.
-- Raises SY003 when p_limit is not between 1 and 1,000.

create or replace function gmail_sync.list_webhook_deliveries(
  p_user_id text, p_webhook_id text, p_limit integer default 20
)
returns table (
  event_id text,
  type text,
  attempt integer,
  ended_at timestamptz,
  duration_seconds double precision,
  http_status integer,
  error_message text
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select d.event_id, d.type, d.attempt, d.ended_at,
    extract(epoch from d.duration)::double precision, d.http_status, d.error_message
  from gmail_sync.webhook_delivery d
  where d.webhook_id = p_webhook_id
    and gmail_sync._has_webhook(p_user_id, p_webhook_id)
  order by d.id desc
  limit gmail_sync._check_page_size(p_limit, 1000);
$$;

comment on function gmail_sync.list_webhook_deliveries(text, text, integer) is
'The last attempts to deliver events to a webhook, newest first.';

revoke all on function gmail_sync.list_webhook_deliveries(text, text, integer) from public;
grant execute on function gmail_sync.list_webhook_deliveries(text, text, integer)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
