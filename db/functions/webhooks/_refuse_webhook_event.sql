-- Lets an event wait for its next attempt, for p_retry_after at least. One that has been refused
-- for a day is given up. It is kept while the webhook accepts nothing else either: then it is not
-- for this event that it fails.

create or replace function gmail_sync._refuse_webhook_event(
  p_stream gmail_sync.webhook_stream, p_retry_after interval
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_failing_since timestamptz := (
    select w.failing_since from gmail_sync.webhook w where w.id = p_stream.webhook_id
  );
begin
  if p_stream.attempts > 0
    and p_stream.failing_since < v_failing_since
    and p_stream.first_attempt_at < clock_timestamp()
      - (select webhook_retry_period from gmail_sync.settings)
  then
    perform gmail_sync._end_webhook_event(p_stream);
    return;
  end if;

  update gmail_sync.webhook_stream s
  set lease = null,
    attempts = s.attempts + 1,
    failing_since = coalesce(s.failing_since, v_failing_since),
    due_at = clock_timestamp() + greatest(
      gmail_sync._webhook_retry_delay(s.attempts + 1),
      least(coalesce(p_retry_after, interval '0'), interval '1 day')
    )
  where s.webhook_id = p_stream.webhook_id and s.user_id = p_stream.user_id;
end;
$$;

comment on function gmail_sync._refuse_webhook_event(gmail_sync.webhook_stream, interval) is
'Let an event wait for its next attempt, or give it up.';

revoke all on function gmail_sync._refuse_webhook_event(gmail_sync.webhook_stream, interval)
  from public;
