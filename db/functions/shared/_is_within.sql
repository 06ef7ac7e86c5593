-- Whether a stored time lies at most p_past ago and at most p_future ahead. The clock of a server
-- can be set back, which leaves stored times in the future. So a stored time is believed only as
-- far ahead as the rule that wrote it can reach; one further ahead binds nobody. A time at which
-- something happened reaches no further than now.
--
-- The planner must inline it, so p_past and p_future are used once: a caller may pass a subquery.
-- Its body is parsed when it is created, so a caller's search_path does not matter.

create or replace function gmail_sync._is_within(
  p_time timestamptz, p_past interval, p_future interval
)
returns boolean
language sql
volatile
return p_time between clock_timestamp() - p_past and clock_timestamp() + p_future;

comment on function gmail_sync._is_within(timestamptz, interval, interval) is
'Whether a stored time lies at most so long ago and at most so far ahead.';

revoke all on function gmail_sync._is_within(timestamptz, interval, interval) from public;
