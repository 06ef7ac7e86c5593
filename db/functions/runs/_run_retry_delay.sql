-- How long a try waits: the first two go at once, then the delay doubles up to its cap.

create or replace function gmail_sync._run_retry_delay(p_attempt integer)
returns interval
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_attempt <= 2 then interval '0'
    else least(max_retry_delay, retry_delay * power(2, least(p_attempt, 30) - 3))
  end
  from gmail_sync.settings;
$$;

comment on function gmail_sync._run_retry_delay(integer) is
'How long a try waits before it is due.';

revoke all on function gmail_sync._run_retry_delay(integer) from public;
