-- Reserves quota for calls outside of runs: an attachment, or the comparison of a mailbox; see
-- _reserve_quota, and reserve_run_quota for p_calls. p_patience is how long the caller would wait.
-- A longer wait is not reserved, but its time is returned. Raises SY002 without an account, SY003
-- for calls that no window has room for.

create or replace function gmail_sync.reserve_account_quota(
  p_user_id text, p_calls jsonb, p_patience interval default interval '24 hours'
)
returns table (free_at timestamptz, used_up text, ask_at timestamptz)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._require_account(p_user_id);
  return query
    select q.free_at, q.used_up, q.ask_at
    from gmail_sync._reserve_quota(p_user_id, p_calls, 'asked', p_patience) q;
end;
$$;

comment on function gmail_sync.reserve_account_quota(text, jsonb, interval) is
'Reserve quota for calls outside of runs: no row to send now, else when.';

revoke all on function gmail_sync.reserve_account_quota(text, jsonb, interval) from public;
grant execute on function gmail_sync.reserve_account_quota(text, jsonb, interval)
  to gmail_sync_service;
