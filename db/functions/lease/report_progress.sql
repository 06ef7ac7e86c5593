-- Reports that a run waits for Google, and until when: at most 24 hours ahead. Counts as a
-- heartbeat. The next write of the run ends the wait. Raises SY001 when the lease is gone.

create or replace function gmail_sync.report_progress(
  p_task_id text, p_waiting_until timestamptz
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update gmail_sync.user_sync_status
  set phase = 'waiting',
    -- least() ignores NULL, which would become the longest wait.
    waiting_until = least(
      coalesce(p_waiting_until, clock_timestamp()), clock_timestamp() + interval '24 hours'
    ),
    updated_at = clock_timestamp()
  where task_id = p_task_id
    and finished_at is null
    and claimed_at is not null;

  if not found then
    perform gmail_sync._raise_lease_lost(p_task_id);
  end if;
end;
$$;

comment on function gmail_sync.report_progress(text, timestamptz) is
'Report until when a run waits for Google; SY001 when the lease is gone.';

revoke all on function gmail_sync.report_progress(text, timestamptz) from public;
grant execute on function gmail_sync.report_progress(text, timestamptz) to gmail_sync_service;
