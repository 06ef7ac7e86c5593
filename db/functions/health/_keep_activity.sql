-- Counts the buckets that have ended since the last call, and keeps the counts for sync_activity. A
-- run belongs to a bucket by a time that its transaction read before it committed. So a bucket is
-- counted when every transaction that was under way after its end has ended too. Until then
-- sync_activity counts it at each call.

create or replace function gmail_sync._keep_activity()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_state gmail_sync.activity_state;
  v_xid xid8 := pg_current_xact_id();
  v_oldest xid8 := pg_snapshot_xmin(pg_current_snapshot());
  v_first timestamptz;
  v_ended timestamptz;
  v_to timestamptz;
begin
  select * into v_state from gmail_sync.activity_state for update skip locked;
  if not found then
    return;
  end if;

  v_first := gmail_sync._align_bucket(now() - 1000 * v_state.bucket, v_state.bucket);
  -- A transaction reads the time shortly before it gets its id. A minute is more than enough.
  v_ended := gmail_sync._align_bucket(now() - interval '1 min', v_state.bucket);
  if v_state.counted_to > v_ended then
    -- The clock was set back.
    perform gmail_sync._forget_activity();
    return;
  end if;

  if v_oldest = v_xid then
    v_to := v_ended;
  elsif v_state.closing_xid <= v_oldest then
    v_to := least(v_state.closing_at, v_ended);
  end if;
  if v_to > v_state.counted_to then
    insert into gmail_sync.activity as a
    select *
    from gmail_sync._count_activity(
      v_first, v_state.bucket, greatest(v_state.counted_to, v_first), v_to
    )
    on conflict (bucket) do update set
      succeeded = a.succeeded + excluded.succeeded,
      failed = a.failed + excluded.failed,
      reaped = a.reaped + excluded.reaped,
      cancelled = a.cancelled + excluded.cancelled,
      superseded = a.superseded + excluded.superseded,
      queue_median = coalesce(a.queue_median, excluded.queue_median),
      queue_p95 = coalesce(a.queue_p95, excluded.queue_p95),
      messages = a.messages + excluded.messages;
    delete from gmail_sync.activity where bucket < v_first;
    update gmail_sync.activity_state set counted_to = v_to;
  end if;

  update gmail_sync.activity_state
  set closing_at = v_ended, closing_xid = v_xid
  where v_to is not null
    or closing_xid is null
    -- Of another cluster, from which this database was restored.
    or closing_xid > v_xid;
end;
$$;

comment on function gmail_sync._keep_activity() is
'Count the buckets of sync_activity that have ended, and keep the counts.';

revoke all on function gmail_sync._keep_activity() from public;
