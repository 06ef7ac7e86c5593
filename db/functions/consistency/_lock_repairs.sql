-- Keeps users from being deleted while rows of anybody are repaired or adopted, until the
-- transaction ends; one lock, since there may be more users than room for locks.

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
'Keep users from being deleted while rows of anybody are repaired or adopted.';

revoke all on function gmail_sync._lock_repairs() from public;
