-- Records a step of connecting: the user is sent to Google's consent page (connect_begun), or has
-- come back with an answer (connect_answered). Raises SY005 when the user did so too often within a
-- minute, SY003 for any other act.

create or replace function gmail_sync.record_connect_attempt(p_user_id text, p_act text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._valid_user_id(p_user_id);
begin
  if p_act is null or p_act not in ('connect_begun', 'connect_answered') then
    raise exception 'act % is not one of connect_begun, connect_answered', p_act
      using errcode = 'SY003';
  end if;
  perform gmail_sync._check_connect_rate(v_user, array[p_act]);
  perform gmail_sync._record_audit_event(p_act, v_user);
end;
$$;

comment on function gmail_sync.record_connect_attempt(text, text) is
'Record a step of connecting a Gmail account; SY005 when there were too many.';

revoke all on function gmail_sync.record_connect_attempt(text, text) from public;
grant execute on function gmail_sync.record_connect_attempt(text, text) to gmail_sync_service;
