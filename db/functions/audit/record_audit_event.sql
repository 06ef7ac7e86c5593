-- Notes what no function of ours knows by itself: an operator's look at what is other people's, of
-- p_user_id or of many, an operator's act (upon p_user_id, if upon one user), a rotation of the
-- keys. Raises SY003 for an act that is not one of these, SY002 when p_user_id, whose mail was
-- looked at, has no account, or somebody named is being deleted.

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
  -- What an operator did goes with the operator, and what was done to a user with the user.
  if not gmail_sync._try_lock_user_shared(p_actor)
    or not gmail_sync._try_lock_user_shared(p_user_id)
  then
    raise exception 'user % is being deleted', coalesce(p_user_id, p_actor)
      using errcode = 'SY002';
  end if;
  if p_act = 'operator_read'
    and p_user_id is not null
    and not exists (select from gmail_sync.account where user_id = p_user_id)
  then
    raise exception 'user % has no Gmail account', p_user_id using errcode = 'SY002';
  end if;
  perform gmail_sync._record_audit_event(p_act, p_user_id, coalesce(p_detail, '{}'), p_actor);
end;
$$;

comment on function gmail_sync.record_audit_event(text, text, jsonb, text) is
'Note an operator''s look or act, or a rotation of the keys, in the audit trail.';

revoke all on function gmail_sync.record_audit_event(text, text, jsonb, text) from public;
grant execute on function gmail_sync.record_audit_event(text, text, jsonb, text)
  to gmail_sync_service, gmail_sync_dba;
