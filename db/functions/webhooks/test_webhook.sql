-- Queues an event webhook.test and returns its id; NULL when there is no such webhook. It does not
-- wait for other events, and list_webhook_deliveries says what became of it. Raises SY003 when the
-- webhook is disabled.

create or replace function gmail_sync.test_webhook(p_user_id text, p_webhook_id text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_event_id text;
begin
  perform gmail_sync._require_user_here(p_user_id);
  if not gmail_sync._has_webhook(p_user_id, p_webhook_id) then
    return null;
  end if;
  if (select disabled_at from gmail_sync.webhook where id = p_webhook_id) is not null then
    raise exception 'webhook % is disabled', p_webhook_id
      using errcode = 'SY003', hint = 'Enable it with replay_webhook.';
  end if;
  -- A row of its own, so that a test does not wait behind events that are refused.
  insert into gmail_sync.webhook_event (webhook_id, user_id, type, data, change_number)
  values (p_webhook_id, '', 'webhook.test', '{}', 0)
  returning event_id into v_event_id;
  insert into gmail_sync.webhook_stream as s (webhook_id, user_id, change_number, waiting_since)
  values (p_webhook_id, '', 0, clock_timestamp())
  on conflict (webhook_id, user_id) do update
  set waiting_since = coalesce(s.waiting_since, excluded.waiting_since),
    due_at = case when s.lease is not null then s.due_at end;
  perform pg_notify('gmail_sync_webhooks', '');
  return v_event_id;
end;
$$;

comment on function gmail_sync.test_webhook(text, text) is
'Queue a test event and return its id; NULL when there is no such webhook.';

revoke all on function gmail_sync.test_webhook(text, text) from public;
grant execute on function gmail_sync.test_webhook(text, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
