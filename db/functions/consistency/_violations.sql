-- The names of the rules a run's row breaks. The row is JSON, so that tables that lack columns or
-- constraints can be checked too.

create or replace function gmail_sync._violations(p_row jsonb)
returns text[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := p_row ->> 'user_id';
  v_running boolean := p_row ->> 'is_syncing' = 'true';
  v_progress integer := gmail_sync._try_integer(p_row ->> 'progress_percentage');
  v_updated_at timestamptz := gmail_sync._try_time(p_row ->> 'updated_at');
  v_cause text;
begin
  if v_running then
    -- A table without these columns counts every update as a claim and as progress.
    select gmail_sync._zombie_cause(
      case when p_row ? 'claimed_at' then gmail_sync._try_time(p_row ->> 'claimed_at')
        else v_updated_at end,
      v_updated_at,
      case when p_row ? 'progressed_at' then gmail_sync._try_time(p_row ->> 'progressed_at')
        else v_updated_at end,
      gmail_sync._try_time(p_row ->> 'waiting_until'),
      s.heartbeat_timeout,
      s.stall_timeout
    ) into v_cause
    from gmail_sync.settings s;
  end if;

  return array_remove(array[
    case when coalesce(v_user_id, '') !~ E'\\S' then 'no_user' end,
    -- The rule of user_key once more: the domain's own constraint may have been dropped.
    case
      when char_length(v_user_id) > 255 or v_user_id ~ E'[\\x01-\\x1f\\x7f-\\x9f]'
      then 'user_id_is_readable'
    end,
    case when coalesce(p_row ->> 'task_id', '') !~ E'\\S' then 'no_task_id' end,
    case when v_running is null then 'not_said_whether_running' end,
    case
      when v_running and coalesce(v_progress not between 0 and 99, true)
        or not v_running and coalesce(v_progress not in (0, 100), true)
      then 'chk_sync_state_consistency'
    end,
    case when v_running and p_row ->> 'error_message' is not null then 'error_means_ended' end,
    case
      when not v_running and v_progress = 100 and p_row ->> 'error_message' is not null
      then 'error_means_no_success'
    end,
    case when v_updated_at is null then 'no_time' end,
    case when v_cause in ('silent', 'clock_skew') then 'zombie' else v_cause end,
    case
      when coalesce(jsonb_typeof(p_row -> 'current_stats') <> 'object', true)
      then 'counts_are_no_object'
    end
  ], null) || case
    when p_row ?& array['outcome', 'phase', 'found'] then gmail_sync._run_violations(p_row)
  end;
end;
$$;

comment on function gmail_sync._violations(jsonb) is
'The names of the rules a run''s row breaks.';

revoke all on function gmail_sync._violations(jsonb) from public;
