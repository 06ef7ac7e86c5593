-- Deletes ended runs older than p_keep, at most p_limit in one pass, and returns their number.
-- Before that it keeps what sync_activity counts of them, unless they ended within the hour. It
-- also deletes workers long gone, the ids of interrupted comparisons, days of the quota ledger, and
-- the history of webhooks. Connect attempts of that age go from the audit trail, because any click
-- can add those.

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
  -- now(), because an index condition must not be volatile, as clock_timestamp() is.
  v_before timestamptz := now()
    - coalesce(p_keep, (select history_retention from gmail_sync.settings));
  v_task_ids text[];
begin
  perform gmail_sync._keep_activity();
  delete from gmail_sync.worker
  where not gmail_sync._is_within(seen_at, interval '1 day', interval '1 day');
  delete from gmail_sync.compared_message
  where not gmail_sync._is_within(stored_at, interval '1 day', interval '1 day');
  delete from gmail_sync.quota_day where day < gmail_sync._quota_day(v_before);
  delete from gmail_sync.audit_event
  where act in ('connect_begun', 'connect_answered')
    and at < v_before;
  perform gmail_sync._prune_webhooks(p_limit);

  v_task_ids := array(
    select task_id
    from gmail_sync.user_sync_status
    where not is_syncing
      and finished_at < v_before
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
