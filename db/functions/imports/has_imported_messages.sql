-- Whether messages of an export wait to be joined. Raises SY001 when the lease is gone.

create or replace function gmail_sync.has_imported_messages(p_task_id text)
returns boolean
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._lease_owner(p_task_id);
begin
  return exists (select from gmail_sync.imported_message i where i.user_id = v_user_id);
end;
$$;

comment on function gmail_sync.has_imported_messages(text) is
'Whether messages of an export wait to be joined; SY001 when the lease is gone.';

revoke all on function gmail_sync.has_imported_messages(text) from public;
grant execute on function gmail_sync.has_imported_messages(text) to gmail_sync_service;
