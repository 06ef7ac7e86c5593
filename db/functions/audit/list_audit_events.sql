-- A page of the audit trail, newest first: of one user, or of all when NULL. For the next page pass
-- the time and the id of the last event. The time comes first, since each database counts its own
-- ids. Raises SY003 when p_limit is not between 1 and 1,000.

create or replace function gmail_sync.list_audit_events(
  p_user_id text default null, p_limit integer default 100,
  p_before timestamptz default null, p_before_id bigint default null
)
returns setof gmail_sync.audit_event
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before timestamptz := coalesce(p_before, 'infinity');
  v_before_id bigint := coalesce(p_before_id, 0);
  v_limit integer := gmail_sync._check_page_size(p_limit, 1000);
  -- Another node lists these. What a move copies is here before its users are.
  v_hidden integer[] := array(select slot from gmail_sync.slot_elsewhere where not is_listed);
begin
  -- One statement for both would read the whole trail for the page of a user.
  if p_user_id is null then
    return query
      select *
      from gmail_sync.audit_event e
      where (e.at, e.id) < (v_before, v_before_id)
        and (e.user_id is null or gmail_sync._user_slot(e.user_id) <> all (v_hidden))
      order by e.at desc, e.id desc
      limit v_limit;
  else
    return query
      select *
      from gmail_sync.audit_event e
      where e.user_id = p_user_id
        and (e.at, e.id) < (v_before, v_before_id)
      order by e.at desc, e.id desc
      limit v_limit;
  end if;
end;
$$;

comment on function gmail_sync.list_audit_events(text, integer, timestamptz, bigint) is
'A page of the audit trail, newest first.';

revoke all on function gmail_sync.list_audit_events(text, integer, timestamptz, bigint) from public;
grant execute on function gmail_sync.list_audit_events(text, integer, timestamptz, bigint)
  to gmail_sync_service, gmail_sync_dba;
