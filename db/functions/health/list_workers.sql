-- A page of the workers with a heartbeat within the last day, by id; p_after is the last worker of
-- the page before. seen_for is the age of the heartbeat, alive says whether it is within the
-- heartbeat timeout, busy is the number of slots taken. living_slots is the number of slots that
-- work; the others fail again and again. A worker that was stopped is not listed; one that was
-- killed is. Raises SY003 when p_limit is not between 1 and 1,000.

create or replace function gmail_sync.list_workers(
  p_limit integer default 100, p_after text default null
)
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
set enable_sort = off
as $$
  select left(w.id::text, 8), w.version, w.started_at,
    greatest(interval '0', date_trunc('second', clock_timestamp() - w.seen_at)),
    exists (select from gmail_sync._live_workers l where l.id = w.id),
    (
      select count(*)
      from (
        select
        from gmail_sync.user_sync_status r
        -- Not an equation, and in order: no other index seems as good then, whatever old
        -- statistics say.
        where r.is_syncing and r.claimed_at is not null and r.claimed_by between w.id and w.id
        order by r.claimed_by
      ) claimed
    ),
    w.capacity, w.living_slots, w.dropped_log_lines
  from (
    select *
    from gmail_sync.worker
    where left(id::text, 8) > coalesce(p_after, '')
    order by id
    limit gmail_sync._check_page_size(p_limit, 1000)
  ) w
  order by w.id;
$$;

comment on function gmail_sync.list_workers(integer, text) is
'Workers with a heartbeat within the last day, in pages.';

revoke all on function gmail_sync.list_workers(integer, text) from public;
grant execute on function gmail_sync.list_workers(integer, text)
  to gmail_sync_service, gmail_sync_dba;
