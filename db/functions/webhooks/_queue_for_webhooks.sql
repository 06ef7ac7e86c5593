-- Queues an event of a run or account for the webhooks that want it. Without p_type, it queues the
-- changes of messages that the caller's transaction has stored. Without a webhook it costs one look
-- at an empty table.
--
-- Each store calls this, and holds the lock of the user's mail. So `latest` grows in the order in
-- which changes become visible. A disabled webhook notes changes, which it can still deliver later.
-- Events are not kept for it.
--
-- The sender is notified only when a stream had nothing to do: commits that notify take turns.

create or replace function gmail_sync._queue_for_webhooks(
  p_user_id text, p_type gmail_sync.webhook_event_type default null, p_data jsonb default null
)
returns void
language plpgsql
volatile
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_latest bigint;
  v_is_woken boolean;
begin
  if not exists (select from gmail_sync.webhook) then
    return;
  end if;
  v_latest := coalesce(
    (select max(m.change_number) from gmail_sync.message m where m.user_id = p_user_id), 0
  );
  loop
    begin
      with wanting as (
        select w.id, w.starts_after, w.disabled_at
        from gmail_sync.webhook w
        where (w.user_id = p_user_id or w.user_id is null)
          and case
            when p_type is not null then p_type = any (w.events) and w.disabled_at is null
            else w.events && '{message.created,message.updated,message.deleted}'
              and not exists (
                select from gmail_sync.webhook_stream s
                where s.webhook_id = w.id and s.user_id = p_user_id and s.latest >= v_latest
              )
          end
      ),
      queued as (
        insert into gmail_sync.webhook_event (webhook_id, user_id, type, data, change_number)
        select w.id, p_user_id, p_type, p_data || jsonb_build_object('user_id', p_user_id), v_latest
        from wanting w
        where p_type is not null
      ),
      stream as (
        insert into gmail_sync.webhook_stream as s (
          webhook_id, user_id, change_number, latest, waiting_since
        )
        select w.id, p_user_id, w.starts_after, v_latest,
          case when w.disabled_at is null then v_now end
        from wanting w
        order by w.id
        on conflict (webhook_id, user_id) do update
        set latest = greatest(s.latest, excluded.latest),
          waiting_since = coalesce(s.waiting_since, excluded.waiting_since)
        returning s.waiting_since
      )
      select bool_or(s.waiting_since = v_now) into v_is_woken from stream s;
      exit;
    exception
      -- A webhook was removed meanwhile. Locking it first would cross its removal.
      when foreign_key_violation then continue;
    end;
  end loop;
  if v_is_woken then
    perform pg_notify('gmail_sync_webhooks', '');
  end if;
end;
$$;

comment on function gmail_sync._queue_for_webhooks(text, gmail_sync.webhook_event_type, jsonb) is
'Queue an event, or changes of messages, for the webhooks that want them.';

revoke all on function gmail_sync._queue_for_webhooks(text, gmail_sync.webhook_event_type, jsonb)
  from public;
