-- What a start does when the user has a running run. It returns that run's task_id. NULL means that
-- the caller has to look again: the run has changed or ended, or a zombie is reaped now.

create or replace function gmail_sync._join_running(
  p_user_id text, p_force_full boolean, p_source text, p_traceparent text
)
returns text
language plpgsql
volatile
as $$
declare
  v_run gmail_sync._running_run;
begin
  select * into v_run from gmail_sync._running_run r where r.user_id = p_user_id;
  if not found then
    return null;
  end if;
  if v_run.cause is null then
    return case
      when gmail_sync._join_run(v_run, p_force_full, p_source, p_traceparent) then v_run.task_id
    end;
  end if;
  perform gmail_sync._reap_zombies(p_user_id);
  -- Otherwise another transaction is ending it, or it is alive again: return the run itself.
  return case when not found then v_run.task_id end;
end;
$$;

comment on function gmail_sync._join_running(text, boolean, text, text) is
'What a start does when the user has a running run.';

revoke all on function gmail_sync._join_running(text, boolean, text, text) from public;
