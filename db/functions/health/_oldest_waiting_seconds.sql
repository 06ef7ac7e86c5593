-- For how long the first due run in the queue has waited; NULL if none is due. Each step reads the
-- first entry of an index. The last two find runs whose times lie in the future, because the clock
-- was set back: they are due, and since when is unknown.

create or replace function gmail_sync._oldest_waiting_seconds()
returns numeric
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_sort = off
as $$
  with clock as materialized (select clock_timestamp() as now)
  select coalesce(
    (
      select greatest(
        0, round(extract(epoch from c.now - greatest(r.started_at, r.not_before)), 1)
      )
      from clock c, gmail_sync.user_sync_status r
      where r.is_syncing and r.claimed_at is null and r.not_before <= (select now from clock)
      order by r.not_before limit 1
    ),
    (
      select 0 from gmail_sync.user_sync_status
      where is_syncing and claimed_at is null and started_at > (select now from clock)
      order by started_at desc limit 1
    ),
    (
      select 0 from gmail_sync.user_sync_status
      where is_syncing and claimed_at is null
        and not_before > (select now + interval '24 hours' from clock)
      order by not_before desc limit 1
    )
  );
$$;

comment on function gmail_sync._oldest_waiting_seconds() is
'For how long the first due run in the queue has waited; NULL if none is due.';

revoke all on function gmail_sync._oldest_waiting_seconds() from public;
