-- Makes the user's dead and waiting messages due now, and starts a run that fetches them. Returns
-- their number. Raises SY003 for an invalid user id or source, SY005 when source api starts runs
-- too often.

create or replace function gmail_sync.retry_failed_messages(
  p_user_id text, p_source text default 'sql'
)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._valid_user_id(p_user_id);
  v_count integer;
begin
  perform gmail_sync._lock_user_mail(v_user);
  update gmail_sync.fetch_queue
  set dead = false,
    attempts = 0,
    not_before = default
  where user_id = v_user
    and message_id = any (
      array(select q.message_id from gmail_sync.fetch_queue q where q.user_id = v_user and q.dead)
      || array(
        select q.message_id
        from gmail_sync.fetch_queue q
        where q.user_id = v_user
          -- Like the index of those that wait.
          and q.not_before > 'epoch'
          and q.not_before > clock_timestamp()
      )
    );
  get diagnostics v_count = row_count;

  if v_count > 0 then
    perform gmail_sync._start_sync_for_queue(v_user, p_source);
  end if;
  return v_count;
end;
$$;

comment on function gmail_sync.retry_failed_messages(text, text) is
'Make failed messages due now and start a run; returns their number.';

revoke all on function gmail_sync.retry_failed_messages(text, text) from public;
grant execute on function gmail_sync.retry_failed_messages(text, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
