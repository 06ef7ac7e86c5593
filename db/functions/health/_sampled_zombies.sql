-- The zombies among as many claimed runs as _bounded_counts counts: all of them, unless
-- active_syncs is an estimate.

create or replace function gmail_sync._sampled_zombies()
returns table (task_id text, user_id text, started_at timestamptz, updated_at timestamptz)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_sort = off
as $$
  select c.task_id, c.user_id, c.started_at, c.updated_at
  from (
    select * from gmail_sync.user_sync_status
    where is_syncing and claimed_at is not null
    order by claimed_by limit 3000
  ) c
  cross join gmail_sync.settings s
  where gmail_sync._zombie_cause(
    c.claimed_at, c.updated_at, c.progressed_at, c.waiting_until, s.heartbeat_timeout,
    s.stall_timeout
  ) is not null;
$$;

comment on function gmail_sync._sampled_zombies() is
'The zombies among as many claimed runs as health counts.';

revoke all on function gmail_sync._sampled_zombies() from public;
