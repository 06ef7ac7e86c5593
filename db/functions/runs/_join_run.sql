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
  -- The day's quota may be used up for this run, but not for what a person asks for. If Google says
  -- that it is, it is for all.
  v_waits boolean := coalesce(
    gmail_sync._run_waits(p_run.waiting_until, p_run.started_at)
      and not (
        p_run.sync_type = 'incremental'
        and gmail_sync._is_quota_reset(p_run.waiting_until)
        and not exists (
          select from gmail_sync.account a
          where a.user_id = p_run.user_id
            and gmail_sync._daily_limit_ends(a.quota_profile, clock_timestamp()) is not null
        )
      ),
    false
  );
begin
  if p_run.claimed_at is null then
    if not (p_force_full and p_run.sync_type <> 'full')
      and not (v_person and p_run.source not in ('api', 'sql'))
      and not (v_person and not v_waits and p_run.not_before > clock_timestamp())
    then
      return true;
    end if;
    update gmail_sync.user_sync_status
    set sync_type = case when p_force_full then 'full' else sync_type end,
      source = case when v_person then p_source else source end,
      not_before = case
        when v_person and not v_waits then least(not_before, clock_timestamp())
        else not_before
      end,
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
