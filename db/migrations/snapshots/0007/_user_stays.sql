-- Keeps a user from being deleted until the transaction ends. False when that is under way: then
-- nothing of the user may be made any more. Waits for nobody.

create or replace function gmail_sync._user_stays(p_user_id text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return pg_try_advisory_xact_lock_shared(hashtext('gmail_sync user'), hashtext(p_user_id));
end;
$$;

comment on function gmail_sync._user_stays(text) is
'Keep a user from being deleted; false when that is under way.';

revoke all on function gmail_sync._user_stays(text) from public;
