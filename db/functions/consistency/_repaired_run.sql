-- Converts a legacy or broken row to a valid run. A row that breaks a rule becomes an ended run.
-- p_alone says that no other run conflicts: no running run of its user, no other successor of the
-- run it resumes. p_faults are the rules that _violations returns for the row.

create or replace function gmail_sync._repaired_run(p_row jsonb, p_alone boolean, p_faults text[])
returns gmail_sync.user_sync_status
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_run gmail_sync.user_sync_status;
  v_running boolean := coalesce(p_row ->> 'is_syncing' = 'true', false);
  v_progress integer := gmail_sync._try_integer(p_row ->> 'progress_percentage');
  v_counts integer[] := gmail_sync._counts(p_row -> 'current_stats');
  v_impossible boolean := array_remove(p_faults, 'counts_are_no_object') <> '{}';
begin
  v_run.task_id := p_row ->> 'task_id';
  v_run.user_id := p_row ->> 'user_id';
  v_run.updated_at := coalesce(
    gmail_sync._try_time(p_row ->> 'updated_at'),
    gmail_sync._try_time(p_row ->> 'started_at'),
    now()
  );
  v_run.started_at := coalesce(gmail_sync._try_time(p_row ->> 'started_at'), v_run.updated_at);
  v_run.claimed_at := coalesce(gmail_sync._try_time(p_row ->> 'claimed_at'), v_run.started_at);
  v_run.progressed_at := coalesce(
    gmail_sync._try_time(p_row ->> 'progressed_at'), v_run.updated_at
  );
  v_run.not_before := v_run.started_at;
  v_run.sync_type := case
    when (p_row ->> 'sync_type') collate "C" ~* 'full' then 'full' else 'incremental'
  end;
  v_run.source := 'api';
  v_run.attempt := 1;
  v_run.resumes := case when p_alone then nullif(p_row ->> 'resumes', v_run.task_id) end;
  v_run.new := v_counts[1];
  v_run.updated := v_counts[2];
  v_run.unchanged := v_counts[3];
  v_run.deleted := v_counts[4];
  v_run.gone := v_counts[5];
  v_run.failed := v_counts[6];
  v_run.imported := v_counts[7];
  v_run.pending := 0;
  v_run.found := v_run.new + v_run.updated + v_run.unchanged + v_run.deleted + v_run.gone
    + v_run.failed;

  v_run.is_syncing := v_running and p_alone and not v_impossible;
  if v_run.is_syncing then
    v_run.phase := 'fetching';
    v_run.progress_percentage := v_progress;
    return v_run;
  end if;

  v_run.phase := 'done';
  v_run.finished_at := coalesce(gmail_sync._try_time(p_row ->> 'finished_at'), v_run.updated_at);
  v_run.outcome := case
    when v_running then 'reaped'
    when v_progress = 100 and p_row ->> 'error_message' is null then 'succeeded'
    when p_row ->> 'outcome' in ('reaped', 'cancelled', 'superseded') then p_row ->> 'outcome'
    else 'failed'
  end;
  v_run.progress_percentage := case when v_run.outcome = 'succeeded' then 100 else 0 end;
  v_run.error_message := case
    when v_run.outcome <> 'succeeded'
      then coalesce(p_row ->> 'error_message', gmail_sync._repair_error_message(p_row, p_faults))
  end;
  return v_run;
end;
$$;

comment on function gmail_sync._repaired_run(jsonb, boolean, text[]) is
'Convert a legacy or broken row to a valid run.';

revoke all on function gmail_sync._repaired_run(jsonb, boolean, text[]) from public;
