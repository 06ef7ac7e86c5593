-- A salted hash of a user id. The salt is unique to this installation and readable by the owner
-- only, so the id cannot be guessed from the hash.

create or replace function gmail_sync._hash_user_id(p_user_id text)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select encode(sha256(s.audit_salt || sha256(convert_to(p_user_id, 'UTF8'))), 'hex')
  from gmail_sync.settings s;
$$;

comment on function gmail_sync._hash_user_id(text) is
'A salted hash of a user id, for the audit trail.';

revoke all on function gmail_sync._hash_user_id(text) from public;
