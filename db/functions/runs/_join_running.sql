-- What a start does to the user's running run. False means that the caller has to look again: the
-- run has changed or ended, or was a zombie and has a successor now.

create or replace function gmail_sync._join_running(
  p_run gmail_sync._running_run, p_force_full boolean, p_source text, p_traceparent text
)
returns boolean
language plpgsql
volatile
as $$
begin
  if p_run.cause is null then
    return gmail_sync._join_run(p_run, p_force_full, p_source, p_traceparent);
  end if;
  perform gmail_sync._reap_zombies(p_run.user_id);
  -- Otherwise another transaction is ending it, or it is alive again: return the run itself.
  return not found;
end;
$$;

comment on function gmail_sync._join_running(gmail_sync._running_run, boolean, text, text) is
'What a start does to a running run; false when the caller has to look again.';

revoke all on function gmail_sync._join_running(gmail_sync._running_run, boolean, text, text)
  from public;
