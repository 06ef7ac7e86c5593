-- Records that Google rejected credentials, during a run or outside of one. The account becomes
-- reauth_required or suspended, with the reason in words. False when the account has other
-- credentials or was disconnected. It needs no lease, because the rejection is valid for every user
-- of these credentials. Cursor and queue stay.

create or replace function gmail_sync.mark_credentials_rejected(
  p_user_id text, p_expected_credentials bytea, p_status text, p_reason text
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before text;
begin
  select status into v_before
  from gmail_sync.account
  where user_id = p_user_id
    and credentials = p_expected_credentials
    and status <> 'disconnected'
  for no key update;
  if not found then
    return false;
  end if;

  update gmail_sync.account
  set status = p_status, status_reason = p_reason
  where user_id = p_user_id;
  if p_status <> v_before then
    perform gmail_sync._record_audit_event(
      p_status, p_user_id, jsonb_build_object('reason', p_reason), 'google'
    );
  end if;
  return true;
end;
$$;

comment on function gmail_sync.mark_credentials_rejected(text, bytea, text, text) is
'Record that Google rejected credentials; false when the account has other credentials.';

revoke all on function gmail_sync.mark_credentials_rejected(text, bytea, text, text) from public;
grant execute on function gmail_sync.mark_credentials_rejected(text, bytea, text, text)
  to gmail_sync_service;
