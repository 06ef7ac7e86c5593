-- Workers with a heartbeat within the last day, the latest first. seen_for is the age of the
-- heartbeat, alive says whether it is within the heartbeat timeout, busy is the number of slots
-- taken. living_slots is the number of slots that work; the others fail again and again. A worker
-- that was stopped is not listed; one that was killed is. Raises SY003 when p_limit is not between
-- 1 and 1,000.

create or replace function gmail_sync.list_workers(p_limit integer default 100)
returns table (
  worker text,
  version text,
  started_at timestamptz,
  seen_for interval,
  alive boolean,
  busy bigint,
  capacity integer,
  living_slots integer,
  dropped_log_lines bigint
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select left(w.id::text, 8), w.version, w.started_at,
    greatest(interval '0', date_trunc('second', clock_timestamp() - w.seen_at)),
    exists (select from gmail_sync._live_workers l where l.id = w.id),
    coalesce(claimed.runs, 0),
    w.capacity, w.living_slots, w.dropped_log_lines
  from gmail_sync.worker w
  left join (
    select r.claimed_by, count(*) as runs
    from gmail_sync.user_sync_status r
    where r.is_syncing and r.claimed_at is not null
    group by r.claimed_by
  ) claimed on claimed.claimed_by = w.id
  order by w.seen_at desc, w.id
  limit gmail_sync._check_page_size(p_limit, 1000);
$$;

comment on function gmail_sync.list_workers(integer) is
'Workers with a heartbeat within the last day, the latest first.';

revoke all on function gmail_sync.list_workers(integer) from public;
grant execute on function gmail_sync.list_workers(integer) to gmail_sync_service, gmail_sync_dba;
