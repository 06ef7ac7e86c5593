-- Asks for a sync of a user and returns the task_id of the run that does it, be it new or
-- already there. Raises SY003 for an invalid user id or source, SY005 when a
-- person makes new runs too often.

create or replace function gmail_sync.start_sync_idempotent(
  p_user_id text, p_force_full boolean default false, p_source text default 'sql'
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return gmail_sync._start_sync(
    gmail_sync._valid_user_id(p_user_id), p_force_full is true,
    gmail_sync._valid_source(p_source), gmail_sync._new_task_id(p_user_id),
    gmail_sync._traceparent()
  );
end;
$$;

comment on function gmail_sync.start_sync_idempotent(text, boolean, text) is
'Ask for a sync; the task_id of the one run that does it, however often it is asked.';

revoke all on function gmail_sync.start_sync_idempotent(text, boolean, text) from public;
grant execute on function gmail_sync.start_sync_idempotent(text, boolean, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
