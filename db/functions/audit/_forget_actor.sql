-- Deletes what a user did as an operator, on others too, from the audit trail; false when there was
-- nothing. delete_account calls it. At other nodes than the user's own, the router does: its
-- installation lets the router's login call it.

create or replace function gmail_sync._forget_actor(p_user_id text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from gmail_sync.audit_event
  where actor = p_user_id
    and act in ('operator_read', 'operator_act')
    -- Elsewhere the actor may be called like a user: google, a role, os:ann.
    and application not like 'gmail-sync % by os:%';
  return found;
end;
$$;

comment on function gmail_sync._forget_actor(text) is
'Delete what a user did as an operator; false when there was nothing.';

revoke all on function gmail_sync._forget_actor(text) from public;
