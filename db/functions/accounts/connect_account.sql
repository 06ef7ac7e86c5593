-- Stores a user's Gmail account with its sealed credentials, or connects it again; cursor
-- and queue stay. No quota profile and no content mode keep what was set; switched to raw, the
-- next run queues the mail without a raw copy. Starts nothing.
-- Raises SY003 for an invalid argument, SY002 when the user's mail is another mailbox's, SY005
-- when it is done too often.

create or replace function gmail_sync.connect_account(
  p_user_id text, p_email text, p_credentials bytea,
  p_quota_profile text default null, p_content_mode text default null
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._valid_user_id(p_user_id);
  v_again boolean;
begin
  perform gmail_sync._check_connect_rate(v_user, array['connected', 'reconnected']);
  v_again := exists (select from gmail_sync.account where user_id = v_user);
  insert into gmail_sync.account as a (user_id, email, credentials, quota_profile)
  values (
    v_user, p_email, p_credentials,
    gmail_sync._quota_profile_name(coalesce(p_quota_profile, 'google-standard'))
  )
  on conflict (user_id) do update
  set credentials = excluded.credentials,
    status = 'connected',
    status_code = null,
    status_reason = null,
    verified = false,
    connected_at = clock_timestamp(),
    connected_during = (
      select r.task_id
      from gmail_sync.user_sync_status r
      where r.user_id = v_user
        and r.is_syncing
        and r.claimed_at is not null
    ),
    watched_at = null,
    watch_expires_at = null,
    quota_profile = case
      when p_quota_profile is null then a.quota_profile else excluded.quota_profile
    end
  where gmail_sync._mailbox_identity(a.email) = gmail_sync._mailbox_identity(excluded.email);

  if not found then
    raise exception 'user % has the mail of another mailbox than %', v_user, p_email
      using errcode = 'SY002',
        hint = 'Connect the mailbox that was connected first, or delete its mail before.';
  end if;
  perform gmail_sync._set_content_mode(v_user, p_content_mode);
  perform gmail_sync._record_audit_event(
    case when v_again then 'reconnected' else 'connected' end, v_user,
    jsonb_build_object('email', p_email)
  );
exception when check_violation or not_null_violation or foreign_key_violation then
  raise exception 'account of user % is not valid: %', v_user, sqlerrm using errcode = 'SY003';
end;
$$;

comment on function gmail_sync.connect_account(text, text, bytea, text, text) is
'Store or reconnect a user''s Gmail account; SY002 when it is another mailbox.';

revoke all on function gmail_sync.connect_account(text, text, bytea, text, text) from public;
grant execute on function gmail_sync.connect_account(text, text, bytea, text, text)
  to gmail_sync_service;
