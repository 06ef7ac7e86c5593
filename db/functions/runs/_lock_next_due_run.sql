-- Selects the next queued run to claim, and locks it and its user's mail. No row means that none is
-- due. Runs of people come first, then push and resume, then schedules, which age into the second
-- rank. So a backlog does not delay people, and pushes do not starve schedules.
--
-- A user whose mail is locked is skipped, because that transaction may wait for the run next.

create or replace function gmail_sync._lock_next_due_run()
returns setof gmail_sync.user_sync_status
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
    select * into v_run
    from gmail_sync.user_sync_status q
    where q.is_syncing
      and q.claimed_at is null
      and not gmail_sync._run_waits(q.not_before, q.started_at)
      and q.user_id <> all (v_busy)
    order by
      case
        when q.source in ('api', 'sql') then 0
        when q.source in ('push', 'resume') then 1
        when q.started_at
          < clock_timestamp() - (select schedule_aging from gmail_sync.settings) then 1
        else 2
      end,
      q.started_at
    limit 1
    for update skip locked;
    if not found then
      return;
    end if;
    if gmail_sync._try_lock_user_mail(v_run.user_id) then
      return next v_run;
      return;
    end if;
    v_busy := v_busy || v_run.user_id::text;
  end loop;
end;
$$;

comment on function gmail_sync._lock_next_due_run() is
'The next queued run to claim, locked: 0 or 1 row.';

revoke all on function gmail_sync._lock_next_due_run() from public;
