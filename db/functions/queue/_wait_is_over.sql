-- Whether a queued message is due although its not_before lies ahead, because the clock was set
-- back. A message waits no longer than the delay of its attempts. One that a run has counted as
-- pending was due already, and the run cannot end without it.

create or replace function gmail_sync._wait_is_over(p_queued gmail_sync.fetch_queue)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return not gmail_sync._is_within(
      p_queued.not_before,
      interval '0',
      case
        when p_queued.attempts > 0 then gmail_sync._message_retry_delay(p_queued.attempts)
        else (select max_retry_delay from gmail_sync.settings)
      end
    )
    or exists (
      select from gmail_sync.touched t
      where t.user_id = p_queued.user_id
        and t.message_id = p_queued.message_id
        and t.bucket = 'pending'
    );
end;
$$;

comment on function gmail_sync._wait_is_over(gmail_sync.fetch_queue) is
'Whether a queued message is due although its not_before lies ahead.';

revoke all on function gmail_sync._wait_is_over(gmail_sync.fetch_queue) from public;
