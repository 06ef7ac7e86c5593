-- Deletes ended runs older than p_keep, at most p_limit in one pass, and workers long gone.
-- Returns how many runs.

create or replace function gmail_sync.prune_sync_history(
  p_keep interval default null, p_limit integer default 10000
)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_task_ids text[];
begin
  delete from gmail_sync.worker where seen_at < clock_timestamp() - interval '1 day';

  -- now(), for the index cannot be asked for what clock_timestamp() will be.
  v_task_ids := array(
    select task_id
    from gmail_sync.user_sync_status
    where not is_syncing
      and finished_at < now()
        - coalesce(p_keep, (select history_retention from gmail_sync.settings))
    order by finished_at
    limit p_limit
    for update skip locked
  );
  delete from gmail_sync.user_sync_status where task_id = any (v_task_ids);
  return cardinality(v_task_ids);
end;
$$;

comment on function gmail_sync.prune_sync_history(interval, integer) is
'Delete ended runs that are older than the retention.';

revoke all on function gmail_sync.prune_sync_history(interval, integer) from public;
grant execute on function gmail_sync.prune_sync_history(interval, integer)
  to gmail_sync_service, gmail_sync_dba;
