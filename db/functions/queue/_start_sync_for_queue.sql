-- Asks for a run that takes what has just been queued: as a person, who cuts a backoff short and
-- may do so only so often, and then as a push would, for a run that is under way may have taken
-- its last message already. Raises SY005 when source api makes new runs too often.

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
'Ask for a run that takes what has just been queued.';

revoke all on function gmail_sync._start_sync_for_queue(gmail_sync.user_key, text) from public;
