-- Adopts one row of a legacy table, unless it, or an earlier state of its run, was adopted by
-- an earlier call.

create or replace function gmail_sync._adopt_row(p_source text, p_row jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_faults text[] := gmail_sync._violations(p_row);
  v_twin_is_new boolean;
  v_run gmail_sync.user_sync_status;
begin
  if v_faults && array['no_user', 'user_id_is_readable', 'no_task_id'] then
    perform gmail_sync._log_repair(p_source, p_row, 'left_out', v_faults);
    return;
  end if;

  select l.logged_at between now() and clock_timestamp() into v_twin_is_new
  from gmail_sync.repair_log l
  where l.source = p_source
    and l.task_id = p_row ->> 'task_id'
    and l.action = 'adopted';
  if v_twin_is_new then
    perform gmail_sync._log_repair(p_source, p_row, 'left_out', v_faults || 'uniq_task_id'::text);
  elsif v_twin_is_new is null and not exists (
    select from gmail_sync.user_sync_status r where r.task_id = p_row ->> 'task_id'
  ) then
    v_run := gmail_sync._repaired_run(p_row, true, v_faults);
    perform gmail_sync._insert_runs(array[v_run]);
    if not found then
      v_run := gmail_sync._repaired_run(p_row, false, v_faults);
      perform gmail_sync._insert_runs(array[v_run]);
    end if;
    perform gmail_sync._log_repair(
      p_source, p_row, 'adopted', v_faults, coalesce(v_run.outcome, 'running')
    );
  end if;
end;
$$;

comment on function gmail_sync._adopt_row(text, jsonb) is
'Adopt one row of a legacy table.';

revoke all on function gmail_sync._adopt_row(text, jsonb) from public;
