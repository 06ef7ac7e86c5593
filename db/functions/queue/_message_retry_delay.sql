-- How long a message waits after so many attempts: 5 s, 25 s, 125 s, then the cap of runs.

create or replace function gmail_sync._message_retry_delay(p_attempts integer)
returns interval
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select least(max_retry_delay, interval '1 s' * power(5, least(p_attempts, 10)))
  from gmail_sync.settings;
$$;

comment on function gmail_sync._message_retry_delay(integer) is
'How long a message waits after so many attempts.';

revoke all on function gmail_sync._message_retry_delay(integer) from public;
