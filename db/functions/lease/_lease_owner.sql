-- The user of a task that is claimed and running. Raises SY001 when it does not hold a lease.

create or replace function gmail_sync._lease_owner(p_task_id text)
returns text
language plpgsql
stable
as $$
declare
  v_user_id text;
begin
  select r.user_id::text into v_user_id
  from gmail_sync.user_sync_status r
  where r.task_id = p_task_id
    -- Not is_syncing: a partial index of running runs looks small in old statistics.
    and r.finished_at is null
    and r.claimed_at is not null;
  if not found then
    perform gmail_sync._raise_lease_lost(p_task_id);
  end if;
  return v_user_id;
end;
$$;

comment on function gmail_sync._lease_owner(text) is
'The user of a task that holds its lease; SY001 when it does not.';

revoke all on function gmail_sync._lease_owner(text) from public;
