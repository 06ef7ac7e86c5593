-- Starts scheduled runs: accounts whose interval has passed, users with messages whose wait is
-- over, and accounts whose watch is to be renewed. A failed run is not tried again before
-- max_retry_delay, nor for a watch that it could not renew before another watch_interval. At most
-- p_limit in one pass, the longest overdue for its interval first; the task_ids.
--
-- Intervals are stretched and shortened by up to a tenth, by user and run, so that accounts
-- that were connected together do not come together for ever.

create or replace function gmail_sync.enqueue_due_syncs(p_limit integer default 100)
returns setof text
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with due as (
    select a.user_id, last.started_at
    from gmail_sync.account a
    cross join gmail_sync.settings s
    left join lateral (
      select r.started_at, r.outcome
      from gmail_sync.user_sync_status r
      where r.user_id = a.user_id
      order by r.started_at desc
      limit 1
    ) last on true
    where a.status = 'connected'
      and (
        last.outcome is distinct from 'failed'
        or last.started_at < clock_timestamp() - s.max_retry_delay
      )
      and not exists (
        select from gmail_sync.user_sync_status r where r.user_id = a.user_id and r.is_syncing
      )
      and (
        last.started_at is null and a.sync_interval is not null
        or last.started_at < clock_timestamp() - a.sync_interval * (
          0.9 + 0.2 * (hashtext(a.user_id || last.started_at::text) & 1023) / 1024
        )
        or a.watched_at < clock_timestamp() - s.watch_interval
          and coalesce(last.started_at, '-infinity') < greatest(
            a.watched_at + s.watch_interval, clock_timestamp() - s.watch_interval
          )
        or exists (
          select from gmail_sync.fetch_queue q
          where q.user_id = a.user_id and not q.dead and q.not_before <= clock_timestamp()
        )
      )
    order by extract(epoch from clock_timestamp() - last.started_at)
      / coalesce(extract(epoch from a.sync_interval), 1) desc nulls first
    limit p_limit
  )
  select s.task_id
  from due
  cross join lateral gmail_sync.start_sync(due.user_id, false, 'schedule') s;
$$;

comment on function gmail_sync.enqueue_due_syncs(integer) is
'Start the runs that are due by schedule or by messages to retry.';

revoke all on function gmail_sync.enqueue_due_syncs(integer) from public;
grant execute on function gmail_sync.enqueue_due_syncs(integer)
  to gmail_sync_service, gmail_sync_dba;
