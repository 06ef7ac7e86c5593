-- Cancels whatever runs for a user, follow-ups that are started meanwhile included: the last step
-- of taking an account away.

create or replace function gmail_sync._cancel_runs_of_user(p_user_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task_id text;
begin
  loop
    select r.task_id into v_task_id
    from gmail_sync.user_sync_status r
    where r.user_id = p_user_id
      and r.is_syncing;
    exit when not found;
    perform gmail_sync.cancel_sync(v_task_id);
  end loop;
end;
$$;

comment on function gmail_sync._cancel_runs_of_user(text) is
'Cancel whatever runs for a user.';

revoke all on function gmail_sync._cancel_runs_of_user(text) from public;
