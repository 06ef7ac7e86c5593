-- Says which phase a run is in and, when it waits for Google, until when (at most 24 hours
-- ahead). Counts as progress and as a heartbeat. Raises SY001 when the lease is gone.

create or replace function gmail_sync.report_progress(
  p_task_id text, p_phase text, p_waiting_until timestamptz default null
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update gmail_sync.user_sync_status
  set phase = p_phase,
    -- least() leaves NULL out, so no wait would become the longest.
    waiting_until = case
      when p_waiting_until is not null
        then least(p_waiting_until, clock_timestamp() + interval '24 hours')
    end,
    updated_at = clock_timestamp(),
    progressed_at = case
      when p_phase = 'waiting' then progressed_at
      else clock_timestamp()
    end
  where task_id = p_task_id
    and is_syncing
    and claimed_at is not null;

  if not found then
    perform gmail_sync._raise_lease_lost(p_task_id);
  end if;
end;
$$;

comment on function gmail_sync.report_progress(text, text, timestamptz) is
'Say which phase a run is in, and until when it waits; SY001 when the lease is gone.';

revoke all on function gmail_sync.report_progress(text, text, timestamptz) from public;
grant execute on function gmail_sync.report_progress(text, text, timestamptz)
  to gmail_sync_service;
