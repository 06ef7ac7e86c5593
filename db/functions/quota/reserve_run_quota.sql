-- Reserves the quota of calls for the account of a run, before they are sent together; see
-- _reserve_quota. p_calls is an array of objects with a method of Gmail, its format unless it has
-- none, and how many calls, 1 by default. A wait longer than settings.longest_wait reserves
-- nothing: the run is handed over, and its successor reserves again. Raises SY001 when the lease is
-- gone, SY003 for calls that no window has room for.

create or replace function gmail_sync.reserve_run_quota(p_task_id text, p_calls jsonb)
returns table (free_at timestamptz, used_up text, ask_at timestamptz)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._lease_owner(p_task_id);
begin
  return query
    select q.free_at, q.used_up, q.ask_at
    from gmail_sync._reserve_quota(
      v_user_id, p_calls,
      (
        select gmail_sync._quota_work(r)
        from gmail_sync.user_sync_status r
        where r.task_id = p_task_id
      ),
      (select longest_wait from gmail_sync.settings)
    ) q;
end;
$$;

comment on function gmail_sync.reserve_run_quota(text, jsonb) is
'Reserve quota for a run''s calls before they are sent: no row to send now, else when.';

revoke all on function gmail_sync.reserve_run_quota(text, jsonb) from public;
grant execute on function gmail_sync.reserve_run_quota(text, jsonb) to gmail_sync_service;
