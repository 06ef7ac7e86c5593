create or replace function gmail_sync._describe_violation(p_fault text, p_row jsonb)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return case p_fault
    when 'no_user' then 'it has no user'
    when 'user_id_is_readable'
      then 'its user has more than 255 characters, or control characters'
    when 'no_task_id' then 'it has no task_id'
    when 'not_said_whether_running' then 'nothing says whether it is running'
    when 'chk_sync_state_consistency' then format(
      'it is %s with progress %s',
      case when p_row ->> 'is_syncing' = 'true' then 'running' else 'idle' end,
      coalesce(p_row ->> 'progress_percentage', 'NULL')
    )
    when 'error_means_ended'
      then format('it is running with the error message "%s"', p_row ->> 'error_message')
    when 'error_means_no_success'
      then format('it is complete with the error message "%s"', p_row ->> 'error_message')
    when 'no_time' then 'nothing says when it was last alive'
    when 'zombie'
      then format('it is running, but its last heartbeat was at %s', p_row ->> 'updated_at')
    when 'stalled' then 'it is running, but has made no progress for long'
    when 'counts_are_no_object' then 'its counts are not an object'
    -- The other rules are constraints of ours, named as sentences.
    else 'it breaks the rule: ' || replace(p_fault, '_', ' ')
  end;
end;
$$;

comment on function gmail_sync._describe_violation(text, jsonb) is
'What breaking a rule means, in words.';

revoke all on function gmail_sync._describe_violation(text, jsonb) from public;
