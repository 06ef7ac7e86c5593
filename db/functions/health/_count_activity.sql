-- What runs did in each bucket from p_first on in which anything happened. It counts the runs that
-- ended or left the queue between p_from and p_to. Messages are those of the runs that ended then,
-- each run's spread evenly over its time. If p_to is infinity, those of running runs are included.

create or replace function gmail_sync._count_activity(
  p_first timestamptz, p_bucket interval, p_from timestamptz, p_to timestamptz
)
returns setof gmail_sync.activity
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    with run as materialized (
      select *
      from gmail_sync._run_times t
      where not t.is_syncing
        and t.finished_at >= p_from
        -- Both ends, or the planner takes a third of all runs to be meant and reads them all.
        and t.finished_at <= now()
      union all
      select * from gmail_sync._run_times t where t.is_syncing
    ),
    ended as (
      select date_bin(p_bucket, r.finished_at, p_first) as bucket,
        count(*) filter (where r.outcome = 'succeeded') as succeeded,
        count(*) filter (where r.outcome = 'failed') as failed,
        count(*) filter (where r.outcome = 'reaped') as reaped,
        count(*) filter (where r.outcome = 'cancelled') as cancelled,
        count(*) filter (where r.outcome = 'superseded') as superseded
      from run r
      where r.finished_at < p_to
      group by 1
    ),
    queued as (
      select date_bin(p_bucket, r.left_queue_at, p_first) as bucket,
        percentile_cont(array[0.5, 0.95]) within group (order by r.left_queue_at - r.due_at) as age
      from run r
      where r.left_queue_at >= greatest(r.due_at, p_from) and r.left_queue_at < p_to
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
        )) as messages
      from run r
      cross join lateral generate_series(
        date_bin(p_bucket, greatest(r.claimed_at, p_first), p_first), r.last_at, p_bucket
      ) as b (bucket)
      where r.settled > 0 and r.claimed_at is not null and coalesce(r.finished_at, now()) < p_to
      group by 1
    )
    select bucket, coalesce(e.succeeded, 0), coalesce(e.failed, 0), coalesce(e.reaped, 0),
      coalesce(e.cancelled, 0), coalesce(e.superseded, 0), q.age[1], q.age[2],
      coalesce(s.messages, 0)
    from ended e
    full join queued q using (bucket)
    full join settled s using (bucket);
end;
$$;

comment on function gmail_sync._count_activity(timestamptz, interval, timestamptz, timestamptz) is
'Runs by outcome, age of the queue and settled messages, in buckets.';

revoke all on function
  gmail_sync._count_activity(timestamptz, interval, timestamptz, timestamptz) from public;
