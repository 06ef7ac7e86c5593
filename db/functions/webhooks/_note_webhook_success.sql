-- Notes that a webhook accepts events. If it did not for a while, what waits to be tried again is
-- due now.

create or replace function gmail_sync._note_webhook_success(p_webhook_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_since timestamptz;
begin
  select failing_since into v_since from gmail_sync.webhook where id = p_webhook_id;
  if v_since is null then
    return;
  end if;
  -- An event that is refused while others are accepted would otherwise be tried at each of them.
  if v_since < clock_timestamp() - interval '1 min' then
    update gmail_sync.webhook_stream s
    set due_at = null, attempts = 0
    from (
      select user_id from gmail_sync.webhook_stream
      where webhook_id = p_webhook_id and lease is null and attempts > 0 and due_at is not null
      for update skip locked
    ) waiting
    where s.webhook_id = p_webhook_id and s.user_id = waiting.user_id;
  end if;
  update gmail_sync.webhook set failing_since = null where id = p_webhook_id;
end;
$$;

comment on function gmail_sync._note_webhook_success(text) is
'Note that a webhook accepts events, and let what waits be sent.';

revoke all on function gmail_sync._note_webhook_success(text) from public;
