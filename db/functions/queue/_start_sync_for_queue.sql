-- Starts a run for messages that were just queued. The first start ends a backoff early, as a click
-- does, and is rate-limited for source api. The second acts like a push: a run in progress may have
-- taken its last message, so it requests one more. Raises SY005 when source api starts runs too
-- often.

create or replace function gmail_sync._start_sync_for_queue(
  p_user_id gmail_sync.user_key, p_source text
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync.start_sync(p_user_id, false, p_source);
  perform gmail_sync.start_sync(p_user_id, false, 'push');
end;
$$;

comment on function gmail_sync._start_sync_for_queue(gmail_sync.user_key, text) is
'Start a run for messages that were just queued.';

revoke all on function gmail_sync._start_sync_for_queue(gmail_sync.user_key, text) from public;
