-- The first check of every write, a cheap one: the user of a task that holds its lease. The last
-- statement of the write, in _update_counts_fenced, checks again with a lock.

create or replace function gmail_sync._fence(p_task_id text)
returns text
language plpgsql
volatile
as $$
declare
  v_user_id text := gmail_sync._lease_owner(p_task_id);
begin
  perform gmail_sync._lock_user_mail(v_user_id);
  return v_user_id;
end;
$$;

comment on function gmail_sync._fence(text) is
'The user of a task that holds its lease; SY001 when it does not.';

revoke all on function gmail_sync._fence(text) from public;
