-- Sets what is kept of a user's mail: full (bodies, headers, the list of attachments) or raw (the
-- RFC 822 bytes too). With raw, a run is started that fetches the messages without a raw copy,
-- newest first. Returns their number, 0 if the mode stays. The run queues them in steps, so the
-- call costs the same in a mailbox of any size. With full, existing raw copies stay. Raises SY002
-- without an account, SY003 for another mode.

create or replace function gmail_sync.set_content_mode(p_user_id text, p_content_mode text)
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
  if p_content_mode is null or p_content_mode not in ('full', 'raw') then
    raise exception 'content mode % is not one of full, raw', p_content_mode
      using errcode = 'SY003';
  end if;

  perform gmail_sync._lock_user_mail(v_user);
  perform gmail_sync._require_account(v_user);
  v_count := gmail_sync._set_content_mode(v_user, p_content_mode);
  if v_count > 0 then
    perform gmail_sync._start_sync_for_queue(v_user, 'sql');
  end if;
  return v_count;
end;
$$;

comment on function gmail_sync.set_content_mode(text, text) is
'Set what is kept of a user''s mail; returns the number of messages to fetch.';

revoke all on function gmail_sync.set_content_mode(text, text) from public;
grant execute on function gmail_sync.set_content_mode(text, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
