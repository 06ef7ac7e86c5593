-- When each connected account became due for a scheduled run, or NULL. Accounts with a running run
-- are left out. An account is due when its interval has passed, or the retry delay of a queued
-- message. It is also due when its watch must be renewed, or when it has none while others do. An
-- account with a watch is due after a failed run too, because no other push may follow.
--
-- Intervals vary by up to a tenth, by user and run, so that accounts connected together do not stay
-- in step. A failed run is retried as _failed_retry_at says, a failed renewal of the watch after
-- watch_interval. A cancelled run is not resumed for its messages.

create or replace view gmail_sync._due_syncs as
select a.user_id,
  -- Accounts that fail again and again rank behind those due since, or they would fill each pass.
  case
    when last.outcome = 'failed' and reason.due_at is not null
      then greatest(reason.due_at, gmail_sync._failed_retry_at(a.user_id))
    else reason.due_at
  end as due_at
from gmail_sync.account a
cross join gmail_sync.settings s
left join lateral (
  select r.started_at, r.outcome
  from gmail_sync.user_sync_status r
  where r.user_id = a.user_id
    and r.started_at <= now()
  order by r.started_at desc
  limit 1
) last on true
cross join lateral (
  select coalesce(
    case when a.watched_at > now() then now() else a.watched_at + s.watch_interval end,
    -- Since when Gmail is known to push: only a worker knows whether there is a topic.
    (
      select min(watched_at)
      from gmail_sync.account
      where watched_at between
        now() - 2 * (select watch_interval from gmail_sync.settings) and now()
    )
  ) as due_at
) watch
cross join lateral (
  select least(
      case
        when a.sync_interval is not null then coalesce(
          last.started_at + a.sync_interval * (
            0.9 + 0.2 * (hashtext(a.user_id || extract(epoch from last.started_at)) & 1023) / 1024
          ),
          least(a.connected_at, now())
        )
      end,
      case
        when last.started_at >= watch.due_at then last.started_at + s.watch_interval
        else watch.due_at
      end,
      case when last.outcome = 'failed' and a.watch_expires_at > now() then last.started_at end,
      (
        select least(greatest(q.not_before, last.started_at), now())
        from gmail_sync.fetch_queue q
        where q.user_id = a.user_id
          and not q.dead
          and (q.not_before <= clock_timestamp() or gmail_sync._wait_is_over(q))
          and last.outcome is distinct from 'cancelled'
        limit 1
      )
    ) as due_at
) reason
where a.status = 'connected'
  and not exists (
    select from gmail_sync.user_sync_status r where r.user_id = a.user_id and r.is_syncing
  );

comment on view gmail_sync._due_syncs is
'When each idle account became due for a run that nobody asks for.';
