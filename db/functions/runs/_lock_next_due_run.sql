-- Selects the next queued run to claim, and locks it and its user's mail. NULL means that none is
-- due. A user whose mail is locked is skipped, because that transaction may wait for the run next.

create or replace function gmail_sync._lock_next_due_run()
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_run gmail_sync.user_sync_status;
  v_busy text[] := array[]::text[];
begin
  loop
    v_run := gmail_sync._lock_first_of_queue(v_busy);
    exit when v_run.task_id is null or gmail_sync._try_lock_user_mail(v_run.user_id);
    v_busy := v_busy || v_run.user_id::text;
  end loop;
  return v_run.task_id;
end;
$$;

comment on function gmail_sync._lock_next_due_run() is
'The next queued run to claim, locked; NULL when none is due.';

revoke all on function gmail_sync._lock_next_due_run() from public;
