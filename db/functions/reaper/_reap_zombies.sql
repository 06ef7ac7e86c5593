-- Ends the zombies of one user, or of all when NULL, and creates their successors. It skips locked
-- runs, because another transaction is ending those.
--
-- It selects candidates first, then locks them by task_id and checks again. FOR UPDATE on the view
-- would lock every running run, because volatile filters run after locking.

create or replace function gmail_sync._reap_zombies(p_user_id text)
returns table (task_id text, user_id text, cause text, silent_for interval, successor text)
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
as $$
  with zombie as (
    select z.task_id, z.cause, z.silent_for, z.progress_percentage as progress
    from gmail_sync._running_run z
    where z.task_id = any (array(
        select c.task_id
        from gmail_sync._running_run c
        where c.cause is not null
          -- The condition of the index runs_of_workers, so that queued runs are not read.
          and c.claimed_at is not null
          and (p_user_id is null or c.user_id = p_user_id)
      ))
      and z.cause is not null
    for update skip locked
  ),
  ended as (
    update gmail_sync.user_sync_status r
    set is_syncing = false,
      outcome = case
        when gmail_sync._next_attempt(r) > (select max_attempts from gmail_sync.settings)
          then 'failed'
        else 'reaped'
      end,
      progress_percentage = 0,
      error_code = zombie.cause,
      error_message = case zombie.cause
        when 'stalled' then format(
          'No progress since %s: the worker hangs.',
          to_char(greatest(r.claimed_at, r.progressed_at, r.waiting_until), 'HH24:MI:SS TZ')
        )
        when 'silent' then format(
          'No heartbeat for %s s: the worker is gone.',
          round(extract(epoch from zombie.silent_for))
        )
        else format(
          'A time of this run, %s, lies in the future: the database''s clock was set back.',
          greatest(r.updated_at, r.claimed_at, r.progressed_at)
        )
      end,
      phase = 'done',
      finished_at = clock_timestamp()
    from zombie
    where r.task_id = zombie.task_id
      and r.finished_at is null
    returning r as run, zombie.cause, zombie.silent_for, zombie.progress
  )
  select
    (ended.run).task_id,
    (ended.run).user_id::text,
    ended.cause,
    ended.silent_for,
    gmail_sync._insert_successor(
      ended.run,
      gmail_sync._next_attempt(ended.run),
      ended.progress,
      clock_timestamp() + gmail_sync._run_retry_delay(gmail_sync._next_attempt(ended.run))
    )
  from ended;
$$;

comment on function gmail_sync._reap_zombies(text) is
'End the zombies of one user, or of all, and create their successors.';

revoke all on function gmail_sync._reap_zombies(text) from public;
