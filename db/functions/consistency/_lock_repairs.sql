-- Blocks the deletion of users while rows of all users are repaired or adopted, until the
-- transaction ends. It is one lock, because there may be more users than the lock table has room
-- for.

create or replace function gmail_sync._lock_repairs()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtext('gmail_sync repair'), 0);
end;
$$;

comment on function gmail_sync._lock_repairs() is
'Block the deletion of users while rows of all users are repaired or adopted.';

revoke all on function gmail_sync._lock_repairs() from public;
