-- The rules of a run's row that are not enforced in this database.

create or replace function gmail_sync._missing_constraints()
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
  select 'constraint ' || rule.name
  from unnest(array[
    'chk_sync_state_consistency', 'ended_means_finished_with_an_outcome', 'error_means_ended',
    'failed_says_why', 'found_is_the_sum_of_the_other_counts', 'hundred_percent_means_succeeded',
    'known_error_code', 'known_follow_up', 'known_outcome', 'known_phase', 'known_source',
    'known_sync_type',
    'no_count_is_negative', 'resumes_another_run', 'success_leaves_nothing_pending',
    'timestamps_are_finite', 'traceparent_has_the_form_of_w3c', 'tries_count_from_one',
    'unclaimed_means_queued', 'uniq_resumes', 'uniq_task_id'
  ]) as rule (name)
  where not exists (
    select from pg_constraint
    where conrelid = 'gmail_sync.user_sync_status'::regclass
      and conname = rule.name
      and convalidated
  )
  union all
  select 'unique partial index uniq_user_running_sync'
  where not exists (
    select from pg_index
    where indrelid = 'gmail_sync.user_sync_status'::regclass
      and indexrelid = to_regclass('gmail_sync.uniq_user_running_sync')
      and indisunique
      and indisvalid
      and pg_get_expr(indpred, indrelid) = 'is_syncing'
  );
$$;

comment on function gmail_sync._missing_constraints() is
'Rules of user_sync_status that are not in force.';

revoke all on function gmail_sync._missing_constraints() from public;
