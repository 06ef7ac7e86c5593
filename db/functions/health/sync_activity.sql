-- What syncs did since p_since, in buckets of p_bucket aligned to the clock, the oldest first. Each
-- bucket has the number of runs that ended, by outcome. It has how long the runs claimed in it had
-- been due (NULL without any); the last bucket includes runs that still wait. It has the messages
-- settled a minute, where each run's messages are spread evenly over its time.
--
-- Half hours that have ended are counted once, and kept when their runs are deleted. Buckets of
-- another length are counted at each call, from all runs since p_since.
--
-- Raises SY003 when a bucket is not between a minute and a day. Raises it too when p_since is in
-- the future or more than 1,000 buckets ago.

create or replace function gmail_sync.sync_activity(
  p_since timestamptz default now() - interval '1 day', p_bucket interval default '30 min'
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
  -- In the future if the clock was set back: what was counted is not to be used then.
  v_counted_to timestamptz := (
    select s.counted_to from gmail_sync.activity_state s
    where s.bucket = p_bucket and s.counted_to <= now()
  );
begin
  return query
    with counted as (
      select * from gmail_sync.activity a where a.bucket >= v_first and v_counted_to is not null
      union all
      select *
      from gmail_sync._count_activity(
        v_first, p_bucket, greatest(v_first, v_counted_to), 'infinity'
      )
    )
    select b.bucket, coalesce(sum(c.succeeded), 0)::bigint, coalesce(sum(c.failed), 0)::bigint,
      coalesce(sum(c.reaped), 0)::bigint, coalesce(sum(c.cancelled), 0)::bigint,
      coalesce(sum(c.superseded), 0)::bigint, min(c.queue_median), min(c.queue_p95),
      round(coalesce(sum(c.messages)::numeric / nullif(
        extract(epoch from least(p_bucket, now() - b.bucket)) / 60, 0
      ), 0), 1)
    from generate_series(v_first, now(), p_bucket) as b (bucket)
    left join counted c using (bucket)
    group by b.bucket
    order by b.bucket;
end;
$$;

comment on function gmail_sync.sync_activity(timestamptz, interval) is
'Runs by outcome, age of the queue and messages a minute since then, in buckets.';

revoke all on function gmail_sync.sync_activity(timestamptz, interval) from public;
grant execute on function gmail_sync.sync_activity(timestamptz, interval)
  to gmail_sync_service, gmail_sync_dba;
