-- The deletion events of a user, newest first. The audit trail holds only a salted hash, so the
-- caller must know the user id.

create or replace function gmail_sync.list_deletions(p_user_id text)
returns setof gmail_sync.audit_event
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select *
  from gmail_sync.audit_event e
  where e.act = 'deleted'
    and e.detail ->> 'user_hash' = gmail_sync._hash_user_id(p_user_id)
  order by e.at desc, e.id desc;
$$;

comment on function gmail_sync.list_deletions(text) is
'The deletion events of a user, newest first.';

revoke all on function gmail_sync.list_deletions(text) from public;
grant execute on function gmail_sync.list_deletions(text) to gmail_sync_service, gmail_sync_dba;
