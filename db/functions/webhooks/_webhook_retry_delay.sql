-- How long to wait after so many attempts in a row, as Standard Webhooks proposes: a day and some
-- hours in all. A fifth more or less keeps those that failed together from coming back together.

create or replace function gmail_sync._webhook_retry_delay(p_attempts integer)
returns interval
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select (array['5 s', '5 min', '30 min', '2 h', '5 h', '10 h'])[least(p_attempts, 6)]::interval
    * (0.8 + 0.4 * random());
$$;

comment on function gmail_sync._webhook_retry_delay(integer) is
'How long to wait after so many attempts to deliver an event.';

revoke all on function gmail_sync._webhook_retry_delay(integer) from public;
