-- Records an act that no other function records: operator_read (p_user_id, or several users),
-- operator_act (on p_user_id, if on one user) or keys_rotated.
--
-- Raises SY003 for any other act. Raises SY002 when the user of an operator_read has no account, or
-- when the user or the actor is being deleted.

create or replace function gmail_sync.record_audit_event(
  p_act text, p_actor text, p_detail jsonb default '{}', p_user_id text default null
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_act is null or p_act not in ('operator_read', 'operator_act', 'keys_rotated') then
    raise exception 'act % is not one of operator_read, operator_act, keys_rotated', p_act
      using errcode = 'SY003';
  end if;
  perform gmail_sync._require_user_here(p_user_id);
  -- A deletion removes the acts of an operator and the acts on a user, so it excludes new ones.
  if not gmail_sync._try_lock_user_shared(p_actor)
    or not gmail_sync._try_lock_user_shared(p_user_id)
  then
    raise exception 'user % is being deleted', coalesce(p_user_id, p_actor)
      using errcode = 'SY002';
  end if;
  if p_act = 'operator_read' and p_user_id is not null then
    perform gmail_sync._require_account(p_user_id);
  end if;
  perform gmail_sync._record_audit_event(p_act, p_user_id, coalesce(p_detail, '{}'), p_actor);
end;
$$;

comment on function gmail_sync.record_audit_event(text, text, jsonb, text) is
'Record an operator''s read or act, or a rotation of the keys, in the audit trail.';

revoke all on function gmail_sync.record_audit_event(text, text, jsonb, text) from public;
grant execute on function gmail_sync.record_audit_event(text, text, jsonb, text)
  to gmail_sync_service, gmail_sync_dba;
