-- Records what became of an attempt. p_http_status is NULL without an answer; p_error_message is
-- NULL when the event was accepted. Otherwise the event waits for its next attempt, for at least
-- p_retry_after. An event that is refused for a day, while others are accepted, is given up:
-- replay_webhook can report its changes again. False when the lease is gone.

create or replace function gmail_sync.record_webhook_delivery(
  p_webhook_id text, p_lease uuid, p_http_status integer, p_error_message text,
  p_duration interval, p_retry_after interval default null
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_stream gmail_sync.webhook_stream;
  v_is_disabled boolean;
begin
  -- What a crash forgets is sent again under the same id, so no attempt waits for the disk.
  perform set_config('synchronous_commit', 'off', true);
  select * into v_stream
  from gmail_sync.webhook_stream s
  where s.webhook_id = p_webhook_id and s.lease = p_lease
  for update;
  if not found then
    return false;
  end if;
  insert into gmail_sync.webhook_delivery (
    webhook_id, user_id, event_id, type, attempt, duration, http_status, error_message
  )
  values (
    p_webhook_id, v_stream.user_id, v_stream.event_id, v_stream.event_type,
    v_stream.attempts + 1, p_duration, p_http_status, p_error_message
  );

  if p_error_message is null then
    perform gmail_sync._end_webhook_event(v_stream);
    perform gmail_sync._note_webhook_success(p_webhook_id);
  else
    v_is_disabled := gmail_sync._note_webhook_failure(p_webhook_id, p_http_status);
    perform gmail_sync._refuse_webhook_event(v_stream, p_retry_after);
    if v_is_disabled then
      perform gmail_sync._rest_webhook_streams(p_webhook_id);
    end if;
  end if;
  -- Last, because senders take turns here.
  update gmail_sync.webhook_count
  set deliveries = deliveries + 1
  where outcome = case
    when p_error_message is null then 'accepted'
    when p_http_status is null then 'unanswered'
    else 'refused'
  end;
  return true;
end;
$$;

comment on function gmail_sync.record_webhook_delivery(
  text, uuid, integer, text, interval, interval
) is
'Record what became of an attempt to deliver an event; false when the lease is gone.';

revoke all on function gmail_sync.record_webhook_delivery(
  text, uuid, integer, text, interval, interval
) from public;
grant execute on function gmail_sync.record_webhook_delivery(
  text, uuid, integer, text, interval, interval
) to gmail_sync_service;
