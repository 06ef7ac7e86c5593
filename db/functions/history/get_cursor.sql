-- The history id up to which the task's account is known; NULL asks for a full sync.
-- Raises SY001 when the lease is gone.

create or replace function gmail_sync.get_cursor(p_task_id text)
returns numeric
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_history_id numeric;
begin
  select a.history_id into v_history_id
  from gmail_sync.user_sync_status r
  join gmail_sync.account a using (user_id)
  where r.task_id = p_task_id
    and r.finished_at is null
    and r.claimed_at is not null;
  if not found then
    perform gmail_sync._raise_lease_lost(p_task_id);
  end if;
  return v_history_id;
end;
$$;

comment on function gmail_sync.get_cursor(text) is
'The history id up to which the task''s account is known.';

revoke all on function gmail_sync.get_cursor(text) from public;
grant execute on function gmail_sync.get_cursor(text) to gmail_sync_service;
