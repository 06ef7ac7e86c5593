-- Deletes all data of a user. Only a deletion event remains, with a salted hash of the user id.
-- Syncs started during the deletion are dropped. The grant at Google is not revoked; the service's
-- route does that first. All is one transaction, whose time grows with the mailbox. The service and
-- its CLI call delete_mail_step before, so that only the rest is left. Raises SY003 for an invalid
-- user id.
--
-- False when there was no data. NULL, without any change, when the credentials are not
-- p_expected_credentials (see begin_disconnect).

create or replace function gmail_sync.delete_account(
  p_user_id text, p_expected_credentials bytea default null
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._valid_user_id(p_user_id);
  v_there boolean;
begin
  -- Waits for every writer of this user's rows, and for repairs and adoptions, which write rows of
  -- all users. These locks come before any other, which avoids deadlocks. The lock of repairs comes
  -- first: an adoption takes long, and a wait for it should block no other writer.
  perform pg_advisory_xact_lock_shared(hashtext('gmail_sync repair'), 0);
  perform pg_advisory_xact_lock(hashtext('gmail_sync user'), hashtext(v_user));
  perform gmail_sync._lock_user_mail(v_user);
  if not gmail_sync._credentials_unchanged(v_user, p_expected_credentials) then
    return null;
  end if;

  v_there := exists (select from gmail_sync.account where user_id = v_user)
    or exists (select from gmail_sync.user_sync_status where user_id = v_user)
    or exists (select from gmail_sync.audit_event where user_id = v_user)
    or exists (select from gmail_sync.webhook where user_id = v_user);
  perform gmail_sync._delete_user_mail(v_user);
  delete from gmail_sync.audit_event where user_id = v_user;
  v_there := gmail_sync._forget_actor(v_user) or v_there;
  delete from gmail_sync.repair_log where user_id = v_user;
  delete from gmail_sync.user_sync_status where user_id = v_user;
  -- A pass of the schedule may be putting new rows in place of these: wait for it.
  perform from gmail_sync.schedule where user_id = v_user for update;
  delete from gmail_sync.schedule where user_id = v_user;
  delete from gmail_sync.quota_charge where user_id = v_user;
  -- What the deletion of the account reports is deleted with the rest.
  set constraints gmail_sync.accounts_are_reported immediate;
  perform gmail_sync._delete_user_webhooks(v_user);
  if v_there then
    perform gmail_sync._record_audit_event(
      'deleted', null, jsonb_build_object('user_hash', gmail_sync._hash_user_id(v_user))
    );
  end if;
  return v_there;
end;
$$;

comment on function gmail_sync.delete_account(text, bytea) is
'Delete all data of a user; false when there was none.';

revoke all on function gmail_sync.delete_account(text, bytea) from public;
grant execute on function gmail_sync.delete_account(text, bytea)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
