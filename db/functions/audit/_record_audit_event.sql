-- Records a security-relevant act in the audit trail, with the database role and the application
-- name. p_actor is the person or system that requested it. The default is the person at the command
-- line, if the application name contains one (`gmail-sync account by os:ann`), else the user.

create or replace function gmail_sync._record_audit_event(
  p_act text, p_user_id text, p_detail jsonb default '{}', p_actor text default null
)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into gmail_sync.audit_event (act, user_id, actor, role, application, detail)
  values (
    p_act,
    p_user_id,
    coalesce(
      p_actor,
      substring(current_setting('application_name') from '^gmail-sync [a-z-]+ by (os:.+)$'),
      p_user_id,
      session_user
    ),
    session_user,
    current_setting('application_name'),
    p_detail
  );
$$;

comment on function gmail_sync._record_audit_event(text, text, jsonb, text) is
'Record a security-relevant act in the audit trail.';

revoke all on function gmail_sync._record_audit_event(text, text, jsonb, text) from public;
