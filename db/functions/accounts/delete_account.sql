-- Removes everything there is of a user: mail, account, runs, quota, repairs, audit trail. What
-- stays is one event that a user was deleted, by a salted hash of the id. What is begun for the
-- user meanwhile comes to nothing. False when there was nothing; NULL, and nothing is done, when
-- the account has other credentials by now than p_opened (see close_account).
-- A grant at Google is not withdrawn: the service's route does that first.

create or replace function gmail_sync.delete_account(p_user_id text, p_opened bytea default null)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._user_key(p_user_id);
  v_there boolean;
begin
  perform gmail_sync._lock_user(v_user);
  if not gmail_sync._is_opened(v_user, p_opened) then
    return null;
  end if;

  v_there := exists (select from gmail_sync.account where user_id = v_user)
    or exists (select from gmail_sync.user_sync_status where user_id = v_user)
    or exists (select from gmail_sync.audit_event where user_id = v_user);
  perform gmail_sync._delete_mail(v_user);
  delete from gmail_sync.audit_event
  where user_id = v_user
    -- Elsewhere the actor may be called like a user: google, a role, os:ann.
    or actor = v_user and act in ('operator_read', 'operator_act')
      and application not like 'gmail-sync % by os:%';
  delete from gmail_sync.repair_log where user_id = v_user;
  delete from gmail_sync.user_sync_status where user_id = v_user;
  delete from gmail_sync.quota_charge where user_id = v_user;
  if v_there then
    perform gmail_sync._audit(
      'deleted', null, jsonb_build_object('user_hash', gmail_sync._user_hash(v_user))
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
