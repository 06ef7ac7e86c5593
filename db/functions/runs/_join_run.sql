-- What a start does to a run that already exists. False when the run has changed meanwhile, so that
-- the caller looks again.
--
-- Unclaimed: forcing makes it full; a person makes it due now (unless Google demands a wait) and
-- raises its priority to interactive. Claimed: forcing or a push requests one more run after it. A
-- plain click changes nothing. What changes the run, or requests the next, gives it its trace.

create or replace function gmail_sync._join_run(
  p_run gmail_sync._running_run, p_force_full boolean, p_source text, p_traceparent text
)
returns boolean
language plpgsql
volatile
as $$
declare
  v_person boolean := p_source in ('api', 'sql');
  v_hurry boolean;
begin
  if p_run.claimed_at is null then
    v_hurry := v_person and p_run.not_before > clock_timestamp()
      and not gmail_sync._waits_for_google(p_run);
    if not v_hurry
      and not (p_force_full and p_run.sync_type <> 'full')
      and not (v_person and p_run.source not in ('api', 'sql'))
    then
      return true;
    end if;
    update gmail_sync.user_sync_status
    set sync_type = case when p_force_full then 'full' else sync_type end,
      source = case when v_person then p_source else source end,
      not_before = case when v_hurry then least(not_before, clock_timestamp()) else not_before end,
      traceparent = coalesce(p_traceparent, traceparent)
    where task_id = p_run.task_id
      and is_syncing
      and claimed_at is null;
    if found then
      perform gmail_sync._notify_run(p_run.task_id, p_run.user_id);
    end if;
    return found;
  end if;

  if (p_force_full and p_run.sync_type <> 'full' and p_run.follow_up is distinct from 'full')
    or (p_source = 'push' and p_run.follow_up is null)
  then
    update gmail_sync.user_sync_status
    set follow_up = case when p_force_full then 'full' else coalesce(follow_up, 'incremental') end,
      follow_up_traceparent = coalesce(p_traceparent, follow_up_traceparent)
    where task_id = p_run.task_id
      and is_syncing;
    return found;
  end if;
  return true;
end;
$$;

comment on function gmail_sync._join_run(gmail_sync._running_run, boolean, text, text) is
'What a start does to a run that already exists.';

revoke all on function gmail_sync._join_run(gmail_sync._running_run, boolean, text, text)
  from public;
