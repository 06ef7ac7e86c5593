-- Counts are sums. The queue's times are those of the node where they are worst.
return query
  select f.bucket, sum(f.succeeded)::bigint, sum(f.failed)::bigint, sum(f.reaped)::bigint,
    sum(f.cancelled)::bigint, sum(f.superseded)::bigint, max(f.queue_median), max(f.queue_p95),
    sum(f.messages_a_minute)
  from gmail_sync_route.node n
  cross join lateral gmail_sync_router.sync_activity(n.node, p_since, p_bucket) f
  group by f.bucket
  order by f.bucket;
