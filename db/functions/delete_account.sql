-- Removes everything there is of a user: mail, account, runs, quota, repairs, audit trail. What
-- stays is one event that a user was deleted, by a hash of the id. False when there was nothing.
-- A grant at Google is not withdrawn: the service's route does that first.

create or replace function gmail_sync.delete_account(p_user_id text)
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
  perform gmail_sync._lock_mail(v_user);
  v_there := exists (select from gmail_sync.account where user_id = v_user)
    or exists (select from gmail_sync.user_sync_status where user_id = v_user)
    or exists (select from gmail_sync.audit_event where user_id = v_user);
  perform gmail_sync._end_run_of(v_user);
  perform gmail_sync._delete_mail(v_user);
  delete from gmail_sync.quota_charge where user_id = v_user;
  delete from gmail_sync.audit_event where user_id = v_user or actor = v_user;
  delete from gmail_sync.repair_log where user_id = v_user;
  delete from gmail_sync.user_sync_status where user_id = v_user;
  if v_there then
    perform gmail_sync._audit(
      'deleted', null,
      jsonb_build_object('user_sha256', encode(sha256(convert_to(v_user, 'UTF8')), 'hex'))
    );
  end if;
  return v_there;
end;
$$;

comment on function gmail_sync.delete_account(text) is
'Remove everything there is of a user; false when there was nothing.';

revoke all on function gmail_sync.delete_account(text) from public;
grant execute on function gmail_sync.delete_account(text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
