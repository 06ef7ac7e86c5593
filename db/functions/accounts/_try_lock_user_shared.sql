-- Keeps a user from being deleted until the transaction ends. False when that is under way: then
-- nothing of the user may be made any more. Waits for nobody. In SQL as _new_task_id is.

create or replace function gmail_sync._try_lock_user_shared(p_user_id text)
returns boolean
language sql
volatile
as $$
  select pg_try_advisory_xact_lock_shared(hashtext('gmail_sync user'), hashtext(p_user_id));
$$;

comment on function gmail_sync._try_lock_user_shared(text) is
'Keep a user from being deleted; false when that is under way.';

revoke all on function gmail_sync._try_lock_user_shared(text) from public;
