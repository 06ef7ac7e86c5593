-- Disconnects a user's Gmail account: deletes the credentials and cancels the user's runs. Mail,
-- cursor and queue stay, so that the same mailbox can be connected again. With p_delete_mail they
-- are deleted, and any mailbox can be connected.
--
-- False when there was no account, or nothing left to do. NULL, without any change, when the
-- credentials are not p_expected_credentials (see begin_disconnect).

create or replace function gmail_sync.disconnect_account(
  p_user_id text, p_delete_mail boolean default false, p_expected_credentials bytea default null
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._valid_user_id(p_user_id);
  v_done boolean;
begin
  perform gmail_sync._lock_user_mail(v_user);
  if not gmail_sync._credentials_unchanged(v_user, p_expected_credentials) then
    return null;
  end if;

  if p_delete_mail then
    v_done := exists (select from gmail_sync.account where user_id = v_user);
    perform gmail_sync._delete_user_mail(v_user);
  else
    update gmail_sync.account
    set status = 'disconnected',
      status_code = null,
      status_reason = null,
      credentials = null,
      verified = false,
      watch_expires_at = null
    where user_id = v_user
      and (status <> 'disconnected' or credentials is not null);
    v_done := found;
    perform gmail_sync._cancel_runs_of_user(v_user);
  end if;

  if v_done then
    perform gmail_sync._record_audit_event(
      'disconnected', v_user,
      jsonb_build_object('mail', case when p_delete_mail then 'deleted' else 'kept' end)
    );
  end if;
  return v_done;
end;
$$;

comment on function gmail_sync.disconnect_account(text, boolean, bytea) is
'Disconnect a user''s Gmail account, and delete its mail on request.';

revoke all on function gmail_sync.disconnect_account(text, boolean, bytea) from public;
grant execute on function gmail_sync.disconnect_account(text, boolean, bytea)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
