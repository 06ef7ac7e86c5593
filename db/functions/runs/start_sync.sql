-- Starts a sync of a user. Returns its run: the running one if it is alive or queued, the successor
-- of a zombie, or a new one (created is true).
--
-- It never waits for a locked zombie, because another transaction is ending it. While the user is
-- being deleted it returns without creating a run. Raises SY003 for an invalid user id or source,
-- SY005 when a person starts runs too often.

create or replace function gmail_sync.start_sync(
  p_user_id text, p_force_full boolean default false, p_source text default 'sql'
)
returns table (task_id text, created boolean)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_new_task_id text := gmail_sync._new_task_id(p_user_id);
begin
  task_id := gmail_sync._start_sync(
    gmail_sync._valid_user_id(p_user_id), p_force_full is true,
    gmail_sync._valid_source(p_source), v_new_task_id, gmail_sync._traceparent()
  );
  created := task_id = v_new_task_id;
  return next;
end;
$$;

comment on function gmail_sync.start_sync(text, boolean, text) is
'Ask for a sync: the task_id of the run that does it, and whether it is new.';

revoke all on function gmail_sync.start_sync(text, boolean, text) from public;
grant execute on function gmail_sync.start_sync(text, boolean, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
