-- Why a claimed run is a zombie: silent, clock_skew (its claim, heartbeat or progress is in the
-- future), stalled, or NULL. This is the only definition of a zombie.
--
-- The planner must inline it, so each timeout is used once: a caller may pass a subquery. Its
-- body is parsed when it is created, so a caller's search_path does not matter.

create or replace function gmail_sync._zombie_cause(
  p_claimed_at timestamptz,
  p_updated_at timestamptz,
  p_progressed_at timestamptz,
  p_waiting_until timestamptz,
  p_heartbeat_timeout interval,
  p_stall_timeout interval
)
returns text
language sql
volatile
return case
  when p_claimed_at is null then null
  when greatest(
      clock_timestamp() - p_updated_at,
      greatest(p_updated_at, p_claimed_at, p_progressed_at) - clock_timestamp()
    ) > p_heartbeat_timeout
    then case
      when greatest(p_updated_at, p_claimed_at, p_progressed_at) > clock_timestamp()
        then 'clock_skew'
      else 'silent'
    end
  when greatest(p_claimed_at, p_progressed_at, p_waiting_until)
    < clock_timestamp() - p_stall_timeout
    then 'stalled'
end;

comment on function gmail_sync._zombie_cause(
  timestamptz, timestamptz, timestamptz, timestamptz, interval, interval
) is
'Why a claimed run is a zombie: silent, clock_skew or stalled; NULL for none.';

revoke all on function gmail_sync._zombie_cause(
  timestamptz, timestamptz, timestamptz, timestamptz, interval, interval
) from public;
grant execute on function gmail_sync._zombie_cause(
  timestamptz, timestamptz, timestamptz, timestamptz, interval, interval
) to gmail_sync_reader, gmail_sync_dba;
