-- What syncs did since p_since, in buckets of p_bucket aligned to the clock, the oldest first. Each
-- bucket has the number of runs that ended, by outcome. It has how long the runs claimed in it had
-- been due (NULL without any); the last bucket includes runs that still wait. It has the messages
-- settled a minute, where each run's messages are spread evenly over its time.
--
-- Raises SY003 when a bucket is not between a minute and a day. Raises it too when p_since is in
-- the future or more than 1,000 buckets ago.

create or replace function gmail_sync.sync_activity(
  p_since timestamptz default now() - interval '1 day', p_bucket interval default '15 min'
)
returns table (
  bucket timestamptz,
  succeeded bigint,
  failed bigint,
  reaped bigint,
  cancelled bigint,
  superseded bigint,
  queue_median interval,
  queue_p95 interval,
  messages_a_minute numeric
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  v_first timestamptz := gmail_sync._align_bucket(p_since, p_bucket);
begin
  return query
    with run as materialized (
      select *
      from gmail_sync._run_times t
      where not t.is_syncing
        and t.finished_at >= v_first
        -- Both ends, or the planner takes a third of all runs to be meant and reads them all.
        and t.finished_at <= now()
      union all
      select * from gmail_sync._run_times t where t.is_syncing
    ),
    ended as (
      select date_bin(p_bucket, r.finished_at, v_first) as bucket,
        count(*) filter (where r.outcome = 'succeeded') as succeeded,
        count(*) filter (where r.outcome = 'failed') as failed,
        count(*) filter (where r.outcome = 'reaped') as reaped,
        count(*) filter (where r.outcome = 'cancelled') as cancelled,
        count(*) filter (where r.outcome = 'superseded') as superseded
      from run r
      where r.finished_at is not null
      group by 1
    ),
    queued as (
      select date_bin(p_bucket, r.left_queue_at, v_first) as bucket,
        percentile_cont(array[0.5, 0.95]) within group (order by r.left_queue_at - r.due_at) as age
      from run r
      where r.left_queue_at >= greatest(r.due_at, v_first)
      group by 1
    ),
    settled as (
      select b.bucket,
        -- The part of the run's time that lies in the bucket; all of it where it took none.
        sum(r.settled * coalesce(
          date_part(
            'epoch', least(r.last_at, b.bucket + p_bucket) - greatest(r.claimed_at, b.bucket)
          ) / nullif(date_part('epoch', r.last_at - r.claimed_at), 0),
          1
        ))::numeric as messages
      from run r
      cross join lateral generate_series(
        date_bin(p_bucket, greatest(r.claimed_at, v_first), v_first), r.last_at, p_bucket
      ) as b (bucket)
      where r.settled > 0 and r.claimed_at is not null
      group by 1
    )
    select b.bucket, coalesce(e.succeeded, 0), coalesce(e.failed, 0), coalesce(e.reaped, 0),
      coalesce(e.cancelled, 0), coalesce(e.superseded, 0), q.age[1], q.age[2],
      round(coalesce(s.messages / nullif(
        extract(epoch from least(p_bucket, now() - b.bucket)) / 60, 0
      ), 0), 1)
    from generate_series(v_first, now(), p_bucket) as b (bucket)
    left join ended e using (bucket)
    left join queued q using (bucket)
    left join settled s using (bucket)
    order by b.bucket;
end;
$$;

comment on function gmail_sync.sync_activity(timestamptz, interval) is
'Runs by outcome, age of the queue and messages a minute since then, in buckets.';

revoke all on function gmail_sync.sync_activity(timestamptz, interval) from public;
grant execute on function gmail_sync.sync_activity(timestamptz, interval)
  to gmail_sync_service, gmail_sync_dba;
