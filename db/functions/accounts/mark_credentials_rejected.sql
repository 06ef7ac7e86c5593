-- Records that Google rejected credentials, during a run or outside of one. The table refusal has
-- the account's new status for p_code. False when the account has other credentials or was
-- disconnected. It needs no lease, because the rejection is valid for every user of these
-- credentials. Cursor and queue stay. Raises SY003 for an unknown code.

create or replace function gmail_sync.mark_credentials_rejected(
  p_user_id text, p_expected_credentials bytea, p_code text, p_reason text
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before gmail_sync.account;
  v_status text := (select status from gmail_sync.refusal where code = p_code);
begin
  perform gmail_sync._require_user_here(p_user_id);
  if v_status is null then
    raise exception 'code % is not one of gmail_sync.refusal', p_code using errcode = 'SY003';
  end if;
  select * into v_before
  from gmail_sync.account
  where user_id = p_user_id
    and credentials = p_expected_credentials
    and status <> 'disconnected'
  for no key update;
  if not found then
    return false;
  end if;

  update gmail_sync.account
  set status = v_status, status_code = p_code, status_reason = p_reason
  where user_id = p_user_id;
  if (v_before.status, v_before.status_code) is distinct from (v_status, p_code) then
    perform gmail_sync._record_audit_event(
      v_status, p_user_id, jsonb_build_object('code', p_code, 'reason', p_reason), 'google'
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
