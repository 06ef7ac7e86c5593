-- A page of the audit trail, newest first: of one user, or of all when NULL. p_before is the id
-- of the last event of the page before. Raises SY003 when p_limit is not between 1 and 1,000.

create or replace function gmail_sync.list_audit_events(
  p_user_id text default null, p_limit integer default 100, p_before bigint default null
)
returns setof gmail_sync.audit_event
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select *
  from gmail_sync.audit_event e
  where (p_user_id is null or e.user_id = p_user_id)
    and (p_before is null or e.id < p_before)
  order by e.id desc
  limit gmail_sync._check_page_size(p_limit, 1000);
$$;

comment on function gmail_sync.list_audit_events(text, integer, bigint) is
'A page of the audit trail, newest first.';

revoke all on function gmail_sync.list_audit_events(text, integer, bigint) from public;
grant execute on function gmail_sync.list_audit_events(text, integer, bigint)
  to gmail_sync_service, gmail_sync_dba;
