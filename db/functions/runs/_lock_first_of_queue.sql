-- Locks and returns the queued run to claim first, leaving out the users p_except. Runs of people
-- come first, then push and resume, then schedules, which age into the second rank. So a backlog
-- does not delay people, and pushes do not starve schedules. Within a rank, the run that has been
-- due longest comes first.
--
-- Runs that started in the future come last. The clock was set back, so they do not wait (see
-- _run_waits). The reaper's next pass gives them their place.
--
-- Each step reads the first entries of one index, and a step runs only if those before it found
-- none. So the cost does not depend on how many runs are queued. A step needs no condition to leave
-- out what those before it would have found. Runs of people have a query of their own, because
-- Postgres prepares all steps of a query.

create or replace function gmail_sync._lock_first_of_queue(p_except text[])
returns gmail_sync.user_sync_status
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_aged timestamptz;
  v_run gmail_sync.user_sync_status;
begin
  select * into v_run from gmail_sync._queued_run r
  where r.source in ('api', 'sql') and r.not_before <= v_now and r.user_id <> all (p_except)
  order by r.not_before limit 1 for update skip locked;
  if found then
    return v_run;
  end if;

  v_aged := v_now - (select s.schedule_aging from gmail_sync.settings s);
  select * into v_run from (
    select * from (
      select * from gmail_sync._queued_run r
      where r.not_before < v_aged and r.user_id <> all (p_except)
      order by r.not_before limit 1 for update skip locked
    ) aged
    union all
    select * from (
      select * from gmail_sync._queued_run r
      where r.source in ('push', 'resume')
        and r.not_before <= v_now and r.user_id <> all (p_except)
      order by r.not_before limit 1 for update skip locked
    ) of_events
    union all
    select * from (
      select * from gmail_sync._queued_run r
      where r.not_before <= v_now and r.user_id <> all (p_except)
      order by r.not_before limit 1 for update skip locked
    ) of_schedules
    union all
    select * from (
      select * from gmail_sync._queued_run r
      where r.started_at > v_now and r.user_id <> all (p_except)
      order by r.started_at limit 1 for update skip locked
    ) started_ahead
    union all
    select * from (
      select * from gmail_sync._queued_run r
      where r.not_before > v_now + interval '24 hours' and r.user_id <> all (p_except)
      order by r.not_before limit 1 for update skip locked
    ) too_far_ahead
    limit 1
  ) of_others;
  return v_run;
end;
$$;

comment on function gmail_sync._lock_first_of_queue(text[]) is
'The queued run to claim first, locked; NULL when there is none.';

revoke all on function gmail_sync._lock_first_of_queue(text[]) from public;
