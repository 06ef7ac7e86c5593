-- The view running_syncs for roles that may only call functions. Zombies come first, because a
-- stalled run may have a recent heartbeat, then the longest silent. Raises SY003 when p_limit is
-- not between 1 and 10,000.

create or replace function gmail_sync.list_running_syncs(p_limit integer default 100)
returns setof gmail_sync.running_syncs
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select *
  from gmail_sync.running_syncs
  order by cause is null, silent_for desc, task_id
  limit gmail_sync._check_page_size(p_limit, 10000);
$$;

comment on function gmail_sync.list_running_syncs(integer) is
'Runs that are queued or claimed: zombies first, then the longest silent.';

revoke all on function gmail_sync.list_running_syncs(integer) from public;
grant execute on function gmail_sync.list_running_syncs(integer)
  to gmail_sync_service, gmail_sync_dba;
