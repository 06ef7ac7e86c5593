-- Reports all changes of messages after a change number again, and enables a disabled webhook.
-- Without a number it goes on where it stopped, with what had failed first. False when there is no
-- such webhook. Changes that were reported under another number are reported as they are now, so
-- each message comes once. Events of runs and accounts are not repeated.

create or replace function gmail_sync.replay_webhook(
  p_user_id text, p_webhook_id text, p_after bigint default null
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._require_user_here(p_user_id);
  if not gmail_sync._has_webhook(p_user_id, p_webhook_id) then
    return false;
  end if;
  insert into gmail_sync.webhook_stream as s (
    webhook_id, user_id, change_number, latest, waiting_since
  )
  select w.id, a.user_id, coalesce(p_after, w.starts_after),
    coalesce(
      (select max(m.change_number) from gmail_sync.message m where m.user_id = a.user_id), 0
    ),
    clock_timestamp()
  from gmail_sync.webhook w
  join gmail_sync.account a on a.user_id = p_user_id or p_user_id is null
  where w.id = p_webhook_id
  order by a.user_id
  on conflict (webhook_id, user_id) do update
  -- Who sends now loses the lease: its event may end before what is to be repeated.
  set lease = null, attempts = 0, first_attempt_at = null, failing_since = null,
    waiting_since = excluded.waiting_since, due_at = null,
    latest = greatest(s.latest, excluded.latest),
    change_number = coalesce(p_after, s.change_number),
    event_id = case when p_after is null then s.event_id end,
    queued_id = case when p_after is null then s.queued_id end;
  update gmail_sync.webhook
  set disabled_at = null, disabled_reason = null, failing_since = null
  where id = p_webhook_id;
  perform pg_notify('gmail_sync_webhooks', '');
  return true;
end;
$$;

comment on function gmail_sync.replay_webhook(text, text, bigint) is
'Report changes after a number again, and enable a disabled webhook.';

revoke all on function gmail_sync.replay_webhook(text, text, bigint) from public;
grant execute on function gmail_sync.replay_webhook(text, text, bigint)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
