-- How long a running run will take: its own wait, then the rest of its messages. They take as long
-- as the quota makes them. At the speed since the fetches began they may take longer, which then
-- counts. NULL while it cannot be estimated.

create or replace function gmail_sync._run_eta(p_run gmail_sync.user_sync_status)
returns interval
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unqueued bigint := gmail_sync._unqueued_messages(p_run);
  v_messages bigint := p_run.pending + v_unqueued;
  v_fetched integer := p_run.found - p_run.pending - p_run.done_at_fetch;
  -- Not a wait if the moment has passed.
  v_wait interval := least(
    interval '24 hours', greatest(p_run.waiting_until, p_run.not_before) - clock_timestamp()
  );
  v_own interval;
  v_quota interval;
  v_eta interval;
begin
  v_wait := case when v_wait > interval '0' then v_wait end;
  if v_messages > 0 then
    if v_fetched > 0 and p_run.progressed_at > p_run.fetching_at then
      v_own := (p_run.progressed_at - p_run.fetching_at) * (v_messages::float8 / v_fetched);
    end if;
    v_quota := gmail_sync._quota_duration(
      p_run,
      gmail_sync._units_left(p_run, v_unqueued),
      clock_timestamp()
        + case when p_run.phase = 'queued' then coalesce(v_wait, '0') else interval '0' end
    );
  end if;
  v_eta := case
    when p_run.phase = 'queued' then coalesce(v_wait + v_quota, v_wait, v_quota)
    -- Waits for the quota are part of the speed already.
    else greatest(v_own, v_quota, v_wait)
  end;
  -- A listing that has hardly begun would take longer than an integer has seconds.
  return case when v_eta > interval '20 years' then interval '20 years' else v_eta end;
end;
$$;

comment on function gmail_sync._run_eta(gmail_sync.user_sync_status) is
'How long a running run will need; NULL while nothing can be known.';

revoke all on function gmail_sync._run_eta(gmail_sync.user_sync_status) from public;
