-- The first step of disconnecting an account. It sets the status to disconnected and cancels the
-- user's runs, so that no worker uses a revoked grant. Returns the sealed credentials that are
-- still to be revoked, or NULL when there are none. Then call disconnect_account or delete_account;
-- connect_account undoes this step.

create or replace function gmail_sync.begin_disconnect(p_user_id text)
returns bytea
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._valid_user_id(p_user_id);
  v_opened bytea;
begin
  update gmail_sync.account
  set status = 'disconnected', status_code = null, status_reason = null
  where user_id = v_user
  returning credentials into v_opened;

  perform gmail_sync._cancel_runs_of_user(v_user);
  return v_opened;
end;
$$;

comment on function gmail_sync.begin_disconnect(text) is
'Let nobody use a user''s Gmail account any more; the credentials that are to be withdrawn.';

revoke all on function gmail_sync.begin_disconnect(text) from public;
grant execute on function gmail_sync.begin_disconnect(text) to gmail_sync_service;
