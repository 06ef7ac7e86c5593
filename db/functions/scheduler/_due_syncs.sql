-- When each connected account is due for a scheduled run, or NULL. An account is due when its
-- interval has passed, or the retry delay of a queued message. So it is while messages without a
-- raw copy are to be queued. It is also due when its watch must be renewed, or when it has none
-- while others do. An account with a watch is due after a failed run too, because no other push
-- may follow.
--
-- Intervals vary by up to a tenth, by user and run, so that accounts connected together do not stay
-- in step. A failed run is retried as _failed_retry_at says, a failed renewal of the watch after
-- watch_interval. A cancelled run is not resumed for its messages.
--
-- check_at is when to look at the account again, no later than it is due. unwatched_since is the
-- start of its last run if it becomes due when others have a watch.

create or replace view gmail_sync._due_syncs as
select a.user_id,
  exists (
    select from gmail_sync.user_sync_status r where r.user_id = a.user_id and r.is_syncing
  ) as is_running,
  due.due_at,
  case when a.watched_at is null and last.retry_at > now() then last.retry_at else due.due_at end
    as check_at,
  case
    when a.watched_at is null
      and coalesce(last.retry_at <= now(), true)
      and coalesce(due.due_at > now(), true)
    then coalesce(last.started_at, 'epoch')
  end as unwatched_since
from gmail_sync.account a
cross join gmail_sync.settings s
left join lateral (
  select r.started_at, r.outcome,
    case when r.outcome = 'failed' then gmail_sync._failed_retry_at(r.user_id) end as retry_at
  from gmail_sync.user_sync_status r
  where r.user_id = a.user_id
    and r.started_at <= clock_timestamp()
  order by r.started_at desc
  limit 1
) last on true
cross join lateral (
  select coalesce(
    case
      when a.watched_at > clock_timestamp() then now()
      else a.watched_at + s.watch_interval
    end,
    (select gmail_sync._watches_known_since())
  ) as due_at
) watch
cross join lateral (
  select coalesce(
    case when a.backfilled_to is not null then timestamptz 'epoch' end,
    -- Most messages need not wait. Then the others are not read.
    (
      select q.not_before
      from gmail_sync.fetch_queue q
      where q.user_id = a.user_id and not q.dead and q.not_before = 'epoch'
      limit 1
    ),
    (
      select min(
        case
          when q.not_before > clock_timestamp() and gmail_sync._wait_is_over(q) then now()
          else q.not_before
        end
      )
      from gmail_sync.fetch_queue q
      where q.user_id = a.user_id and not q.dead
    )
  ) as due_at
) message
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
    case when a.watch_expires_at > last.retry_at then last.started_at end,
    case
      when last.outcome is distinct from 'cancelled' and message.due_at is not null
        then greatest(message.due_at, last.started_at)
    end
  ) as due_at
) reason
cross join lateral (
  -- Accounts that fail again and again rank behind those due since, or they would fill each pass.
  select case
    when reason.due_at is not null then greatest(reason.due_at, last.retry_at)
  end as due_at
) due
where a.status = 'connected';

comment on view gmail_sync._due_syncs is
'When each connected account is due for a run that nobody asks for.';
