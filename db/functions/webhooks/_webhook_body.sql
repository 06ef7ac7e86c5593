-- What is sent and signed for an event, as Standard Webhooks lays it out.

create or replace function gmail_sync._webhook_body(p_event gmail_sync.webhook_event)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'type', p_event.type,
    'timestamp', to_char(p_event.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'data', p_event.data || jsonb_build_object('change_number', p_event.change_number)
  )::text;
$$;

comment on function gmail_sync._webhook_body(gmail_sync.webhook_event) is
'What is sent and signed for an event.';

revoke all on function gmail_sync._webhook_body(gmail_sync.webhook_event) from public;
