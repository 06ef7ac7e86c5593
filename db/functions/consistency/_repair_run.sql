-- Ends a zombie, or replaces an invalid row, or several rows with one task_id, by one valid row.
-- Returns what it did.

create or replace function gmail_sync._repair_run(p_task_id text, p_rules text[])
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rows jsonb[] := array(
    select to_jsonb(r)
    from gmail_sync.user_sync_status r
    where r.task_id is not distinct from p_task_id
    order by r.updated_at desc
  );
  v_faults text[] := gmail_sync._violations(v_rows[1]);
  v_alone boolean := not exists (
    select from gmail_sync.user_sync_status r
    where r.task_id <> p_task_id
      and (
        r.is_syncing and r.user_id = v_rows[1] ->> 'user_id'
          and v_rows[1] ->> 'is_syncing' = 'true'
        or r.resumes = v_rows[1] ->> 'resumes'
      )
  );
  v_run gmail_sync.user_sync_status;
begin
  if cardinality(v_rows) = 0 or cardinality(v_rows) = 1 and v_faults = '{}' and v_alone then
    return 'none: it is in order now';
  end if;

  perform gmail_sync._log_repair('repair', row, 'repaired', p_rules) from unnest(v_rows) row;
  if p_rules <@ array['zombie', 'stalled'] then
    perform gmail_sync._reap_zombies(v_rows[1] ->> 'user_id');
    return 'reaped';
  end if;

  perform gmail_sync._forget_activity();
  delete from gmail_sync.user_sync_status r where r.task_id is not distinct from p_task_id;
  if v_faults && array['no_user', 'user_id_is_readable', 'no_task_id'] then
    return 'removed: it cannot be a run';
  end if;
  v_run := gmail_sync._repaired_run(v_rows[1], v_alone, v_faults);
  perform gmail_sync._insert_runs(array[v_run]);
  return 'replaced by one that is ' || coalesce(v_run.outcome, 'running');
end;
$$;

comment on function gmail_sync._repair_run(text, text[]) is
'End a zombie, or replace an invalid row.';

revoke all on function gmail_sync._repair_run(text, text[]) from public;
