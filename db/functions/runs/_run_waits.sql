-- Whether a queued run waits until p_until: its not_before, or the time that Google demands. Both
-- are at most 24 hours ahead. A run that started in the future does not wait, because the clock was
-- set back after the wait was written.
--
-- The planner must inline it, like _is_within.

create or replace function gmail_sync._run_waits(p_until timestamptz, p_started_at timestamptz)
returns boolean
language sql
volatile
return gmail_sync._is_within(p_until, interval '0', interval '24 hours')
  and p_started_at <= clock_timestamp();

comment on function gmail_sync._run_waits(timestamptz, timestamptz) is
'Whether a queued run waits until a time that it has stored.';

revoke all on function gmail_sync._run_waits(timestamptz, timestamptz) from public;
