-- Ends the wait of streams whose next attempt is due or whose lease lapsed, up to 1,000 of each.
--
-- A time further ahead than the rule that wrote it can reach is of a clock that was set back.

create or replace function gmail_sync._wake_due_streams(p_lease interval)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_sort = off
as $$
  with due as (
    select s.webhook_id, s.user_id from gmail_sync.webhook_stream s
    where s.due_at <= now()
    order by s.due_at
    limit 1000
    for update skip locked
  ),
  ahead as (
    select s.webhook_id, s.user_id from gmail_sync.webhook_stream s
    where s.due_at > now() + interval '25 hours'
    order by s.due_at
    limit 1000
    for update skip locked
  ),
  leased as (
    select s.webhook_id, s.user_id from gmail_sync.webhook_stream s
    where s.lease is not null
      and s.due_at > now() + p_lease + interval '5 s'
    order by s.webhook_id, s.lease
    limit 1000
    for update skip locked
  )
  update gmail_sync.webhook_stream s
  set due_at = null, lease = null
  from (table due union table ahead union table leased) d
  where s.webhook_id = d.webhook_id and s.user_id = d.user_id;
$$;

comment on function gmail_sync._wake_due_streams(interval) is
'End the wait of streams whose next attempt is due or whose lease lapsed.';

revoke all on function gmail_sync._wake_due_streams(interval) from public;
