-- When a user whose latest run failed may be synced without a person asking for it; NULL when the
-- latest run did not fail. The wait is max_retry_delay at first. It doubles with each failure in a
-- row, up to a day: it is as long as the failures have lasted.

create or replace function gmail_sync._failed_retry_at(p_user_id text)
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select last.started_at + greatest(
    s.max_retry_delay, least(last.started_at - first.started_at, interval '1 day')
  )
  from gmail_sync.settings s
  cross join lateral (
    select r.started_at, r.outcome
    from gmail_sync.user_sync_status r
    where r.user_id = p_user_id
      -- Later ones are from before the clock was set back.
      and r.started_at <= clock_timestamp()
    order by r.started_at desc
    limit 1
  ) last
  cross join lateral (
    select min(r.started_at) as started_at
    from gmail_sync.user_sync_status r
    where r.user_id = p_user_id
      and r.outcome = 'failed'
      and r.started_at <= last.started_at
      and r.started_at > coalesce(
        (
          select max(o.started_at)
          from gmail_sync.user_sync_status o
          where o.user_id = p_user_id
            and o.outcome = 'succeeded'
            and o.started_at < last.started_at
        ),
        '-infinity'
      )
  ) first
  where last.outcome = 'failed';
$$;

comment on function gmail_sync._failed_retry_at(text) is
'When a user whose latest run failed may be synced without a person asking for it.';

revoke all on function gmail_sync._failed_retry_at(text) from public;
