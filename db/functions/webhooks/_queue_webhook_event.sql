-- Queues an event of a run or account for the webhooks that want it. Events are not kept for a
-- disabled webhook. Without a webhook it costs one look at an empty table.

create or replace function gmail_sync._queue_webhook_event(
  p_user_id text, p_type text, p_data jsonb
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
      with wanting as materialized (
        select w.id, w.starts_after
        from gmail_sync.webhook w
        where (w.user_id = p_user_id or w.user_id is null)
          and p_type::gmail_sync.webhook_event_type = any (w.events)
          and w.disabled_at is null
      ),
      queued as (
        insert into gmail_sync.webhook_event (webhook_id, user_id, type, data, change_number)
        select w.id, p_user_id, p_type, p_data || jsonb_build_object('user_id', p_user_id), v_latest
        from wanting w
      ),
      stream as (
        insert into gmail_sync.webhook_stream as s (
          webhook_id, user_id, change_number, latest, waiting_since
        )
        select w.id, p_user_id, w.starts_after, v_latest, v_now
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

comment on function gmail_sync._queue_webhook_event(text, text, jsonb) is
'Queue an event for the webhooks that want it.';

revoke all on function gmail_sync._queue_webhook_event(text, text, jsonb) from public;
