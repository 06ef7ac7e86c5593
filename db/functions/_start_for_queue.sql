-- Asks for a run that takes what a person has just queued: as a push would, for a run that is under
-- way may have taken its last message already, and then as a person, who cuts a backoff short.

create or replace function gmail_sync._start_for_queue(p_user_id gmail_sync.user_key)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync.start_sync(p_user_id, false, 'push');
  perform gmail_sync.start_sync(p_user_id, false, 'sql');
end;
$$;

comment on function gmail_sync._start_for_queue(gmail_sync.user_key) is
'Ask for a run that takes what a person has just queued.';

revoke all on function gmail_sync._start_for_queue(gmail_sync.user_key) from public;
