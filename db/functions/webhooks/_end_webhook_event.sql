-- Goes on to the next event of a stream, when one was accepted or given up.

create or replace function gmail_sync._end_webhook_event(p_stream gmail_sync.webhook_stream)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from gmail_sync.webhook_event where id = p_stream.queued_id;
  update gmail_sync.webhook_stream s
  set change_number = coalesce(s.event_number, s.change_number),
    waiting_since = case
      when s.latest > coalesce(s.event_number, s.change_number)
        or exists (
          select from gmail_sync.webhook_event e
          where e.webhook_id = s.webhook_id and e.user_id = s.user_id
        )
        then clock_timestamp()
    end,
    due_at = null,
    lease = null,
    event_id = null,
    event_number = null,
    queued_id = null,
    attempts = 0,
    first_attempt_at = null,
    failing_since = null
  where s.webhook_id = p_stream.webhook_id and s.user_id = p_stream.user_id;
end;
$$;

comment on function gmail_sync._end_webhook_event(gmail_sync.webhook_stream) is
'Go on to the next event of a stream.';

revoke all on function gmail_sync._end_webhook_event(gmail_sync.webhook_stream) from public;
