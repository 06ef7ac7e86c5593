-- Lets the streams of a disabled webhook rest, so that no claim looks at them. They keep the event
-- that was being sent. A claim lets those rest that are locked now.

create or replace function gmail_sync._rest_webhook_streams(p_webhook_id text)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update gmail_sync.webhook_stream s
  set waiting_since = null, due_at = null, lease = null
  from (
    select w.user_id from gmail_sync.webhook_stream w
    where w.webhook_id = p_webhook_id and w.waiting_since is not null
    for update skip locked
  ) waiting
  where s.webhook_id = p_webhook_id and s.user_id = waiting.user_id;
$$;

comment on function gmail_sync._rest_webhook_streams(text) is
'Let the streams of a disabled webhook rest.';

revoke all on function gmail_sync._rest_webhook_streams(text) from public;
