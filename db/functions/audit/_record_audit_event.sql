-- Records a security-relevant act in the audit trail, with the database role and the application
-- name. p_actor is the person or system that requested it. The default is the person at the command
-- line, if the application name contains one (`gmail-sync account by os:ann`), else the user.
-- The router sets for whom it calls: `gmail_sync.caller_role` and `gmail_sync.caller_application`.
-- They are believed of its login only, so nobody else can use them to forge.

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
  select
    p_act,
    p_user_id,
    coalesce(
      p_actor,
      substring(caller.application from '^gmail-sync [a-z-]+ by (os:.+)$'),
      p_user_id,
      caller.role
    ),
    caller.role,
    caller.application,
    p_detail
  from (
    select
      coalesce(
        case when routed then nullif(current_setting('gmail_sync.caller_role', true), '') end,
        session_user
      ) as role,
      coalesce(
        case when routed then current_setting('gmail_sync.caller_application', true) end,
        current_setting('application_name')
      ) as application
    from (select session_user = 'gmail_sync_router' as routed) login
  ) caller;
$$;

comment on function gmail_sync._record_audit_event(text, text, jsonb, text) is
'Record a security-relevant act in the audit trail.';

revoke all on function gmail_sync._record_audit_event(text, text, jsonb, text) from public;
