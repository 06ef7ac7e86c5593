-- Notes an act that no function of ours does: an operator's look at other people's runs, a
-- rotation of the keys. Raises SY003 for an act that is not one of these.

create or replace function gmail_sync.record_audit(
  p_act text, p_actor text, p_detail jsonb default '{}'
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_act is null or p_act not in ('operator_read', 'keys_rotated') then
    raise exception 'act % is not one of operator_read, keys_rotated', p_act
      using errcode = 'SY003';
  end if;
  perform gmail_sync._audit(p_act, null, coalesce(p_detail, '{}'), p_actor);
end;
$$;

comment on function gmail_sync.record_audit(text, text, jsonb) is
'Note an operator''s read or a rotation of the keys in the audit trail.';

revoke all on function gmail_sync.record_audit(text, text, jsonb) from public;
grant execute on function gmail_sync.record_audit(text, text, jsonb) to gmail_sync_service;
