-- The rules a row breaks that concern columns of our own table only. Their names are those of the
-- constraints.

create or replace function gmail_sync._run_violations(p_row jsonb)
returns text[]
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_running boolean := p_row ->> 'is_syncing' = 'true';
  v_outcome text := p_row ->> 'outcome';
  v_found integer := gmail_sync._try_integer(p_row ->> 'found');
  v_pending integer := gmail_sync._try_integer(p_row ->> 'pending');
  v_counts integer[] := array(
    select gmail_sync._try_integer(p_row ->> k)
    from unnest(array['new', 'updated', 'unchanged', 'deleted', 'gone', 'failed']) k
  ) || v_pending;
begin
  return array(
    select rule
    from (values
      ('ended_means_finished_with_an_outcome',
        v_running = (p_row ->> 'finished_at' is null) and v_running = (v_outcome is null)),
      ('failed_says_why',
        v_outcome is distinct from 'failed' or p_row ->> 'error_message' is not null),
      ('found_is_the_sum_of_the_other_counts', v_found = (select sum(c) from unnest(v_counts) c)),
      ('hundred_percent_means_succeeded',
        (p_row ->> 'progress_percentage' = '100') = (v_outcome is not distinct from 'succeeded')),
      ('known_error_code', p_row ->> 'error_code' in (
        'another_mailbox', 'clock_skew', 'credentials_unusable', 'cursor_refused',
        'gmail_refused', 'gmail_unavailable', 'history_loop', 'import_first', 'not_connected',
        'silent', 'stalled', 'unexpected', 'user_moving', 'worker_stopped')),
      ('known_follow_up', p_row ->> 'follow_up' in ('incremental', 'full')),
      ('known_outcome',
        v_outcome in ('succeeded', 'failed', 'reaped', 'cancelled', 'superseded')),
      ('known_phase', p_row ->> 'phase'
        in ('queued', 'listing', 'fetching', 'waiting', 'reconciling', 'done')),
      ('known_source', p_row ->> 'source' in ('api', 'sql', 'schedule', 'push', 'resume')),
      ('known_sync_type', p_row ->> 'sync_type' in ('full', 'incremental')),
      ('no_count_is_negative', v_found >= 0 and 0 <= all (v_counts)
        and gmail_sync._try_integer(p_row ->> 'imported') >= 0),
      ('resumes_another_run', p_row ->> 'resumes' <> p_row ->> 'task_id'),
      ('success_leaves_nothing_pending',
        v_outcome is distinct from 'succeeded' or v_pending = 0),
      ('timestamps_are_finite', not exists (
        select from unnest(array['started_at', 'updated_at', 'not_before', 'claimed_at',
          'progressed_at', 'waiting_until', 'finished_at']) k
        where p_row ->> k in ('infinity', '-infinity')
      )),
      ('traceparent_has_the_form_of_w3c',
        p_row ->> 'traceparent' ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'
        and p_row ->> 'follow_up_traceparent' ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'),
      ('tries_count_from_one', gmail_sync._try_integer(p_row ->> 'attempt') >= 1),
      ('unclaimed_means_queued',
        not v_running or p_row ->> 'claimed_at' is not null or p_row ->> 'phase' = 'queued')
    ) as rules (rule, kept)
    where not kept
  );
end;
$$;

comment on function gmail_sync._run_violations(jsonb) is
'The rules a row breaks that concern columns of our own table only.';

revoke all on function gmail_sync._run_violations(jsonb) from public;
