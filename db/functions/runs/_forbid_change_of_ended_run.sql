create or replace function gmail_sync._forbid_change_of_ended_run()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'task % has ended and is immutable', old.task_id
    using errcode = 'SY004',
      hint = 'A new attempt is a new row: call gmail_sync.start_sync_idempotent.';
end;
$$;

comment on function gmail_sync._forbid_change_of_ended_run() is
'Trigger: ended runs are immutable.';

revoke all on function gmail_sync._forbid_change_of_ended_run() from public;
