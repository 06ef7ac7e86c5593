-- Removes everything there is of a user: mail, account, runs, quota, repairs, audit trail. What
-- stays is one event that a user was deleted, by a salted hash of the id. What is begun for the
-- user meanwhile comes to nothing. False when there was nothing; NULL, and nothing is done, when
-- the account has other credentials by now than p_expected_credentials (see begin_disconnect).
-- A grant at Google is not withdrawn: the service's route does that first.

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
  -- Waits for whatever makes rows of this user, and for repairs and adoptions, which make rows of
  -- anybody. Before any other lock, so that nobody who is waited for can wait for us.
  -- Repairs first, since an adoption takes long: who waits for one keeps nobody else waiting.
  perform pg_advisory_xact_lock_shared(hashtext('gmail_sync repair'), 0);
  perform pg_advisory_xact_lock(hashtext('gmail_sync user'), hashtext(v_user));
  perform gmail_sync._lock_user_mail(v_user);
  if not gmail_sync._credentials_unchanged(v_user, p_expected_credentials) then
    return null;
  end if;

  v_there := exists (select from gmail_sync.account where user_id = v_user)
    or exists (select from gmail_sync.user_sync_status where user_id = v_user)
    or exists (select from gmail_sync.audit_event where user_id = v_user);
  perform gmail_sync._delete_user_mail(v_user);
  delete from gmail_sync.audit_event
  where user_id = v_user
    -- Elsewhere the actor may be called like a user: google, a role, os:ann.
    or actor = v_user and act in ('operator_read', 'operator_act')
      and application not like 'gmail-sync % by os:%';
  delete from gmail_sync.repair_log where user_id = v_user;
  delete from gmail_sync.user_sync_status where user_id = v_user;
  delete from gmail_sync.quota_charge where user_id = v_user;
  if v_there then
    perform gmail_sync._record_audit_event(
      'deleted', null, jsonb_build_object('user_hash', gmail_sync._hash_user_id(v_user))
    );
  end if;
  return v_there;
end;
$$;

comment on function gmail_sync.delete_account(text, bytea) is
'Remove everything there is of a user; false when there was nothing.';

revoke all on function gmail_sync.delete_account(text, bytea) from public;
grant execute on function gmail_sync.delete_account(text, bytea)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
