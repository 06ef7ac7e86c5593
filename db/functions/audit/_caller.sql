-- Says for whom the router calls in this transaction: the database role and the application name
-- for the audit trail, and the trace. At a node, each call of the router has the router's own.
-- _record_audit_event believes it of the router's login only, so nobody else can use it to forge.
-- The router's installation lets that login call it.

create or replace function gmail_sync._caller(p_role text, p_application text, p_traceparent text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('gmail_sync.caller_role', p_role, true);
  perform set_config('gmail_sync.caller_application', p_application, true);
  perform set_config('gmail_sync.traceparent', p_traceparent, true);
end;
$$;

comment on function gmail_sync._caller(text, text, text) is
'Say for whom the router calls.';

revoke all on function gmail_sync._caller(text, text, text) from public;
