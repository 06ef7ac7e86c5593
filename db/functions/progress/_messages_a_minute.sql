-- How many messages a minute Google allows a running run to fetch, each by itself and whole, of its
-- even share of the project's quota. NULL without prices or a cap, and if no message is left.

create or replace function gmail_sync._messages_a_minute(p_run gmail_sync.user_sync_status)
returns integer
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_run.pending + gmail_sync._unqueued_messages(p_run) = 0 then
    return null;
  end if;
  return (
    select round(
      q.window_units * 60 / extract(epoch from p.window_length)
        / gmail_sync._message_price(p_run.user_id)
    )::integer
    from gmail_sync._expected_quota(p_run, clock_timestamp()) q
    -- Google's window; that of the ledger is a little longer.
    join gmail_sync.quota_profile p on p.name = q.profile
  );
end;
$$;

comment on function gmail_sync._messages_a_minute(gmail_sync.user_sync_status) is
'How many messages a minute Google allows a running run to fetch.';

revoke all on function gmail_sync._messages_a_minute(gmail_sync.user_sync_status) from public;
