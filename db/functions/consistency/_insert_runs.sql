-- Inserts runs as they are given, and returns those that conflicted with no existing run. It is one
-- statement, because the setup of each statement would dominate the cost.

create or replace function gmail_sync._insert_runs(p_runs gmail_sync.user_sync_status[])
returns setof gmail_sync.user_sync_status
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query insert into gmail_sync.user_sync_status (
    task_id, user_id, is_syncing, sync_type, progress_percentage, error_message, started_at,
    updated_at, source, claimed_at, progressed_at, phase, finished_at, outcome, attempt, resumes,
    not_before, found, new, updated, unchanged, deleted, gone, failed, pending, imported
  )
  select
    p.task_id, p.user_id, p.is_syncing, p.sync_type, p.progress_percentage, p.error_message,
    p.started_at, p.updated_at, p.source, p.claimed_at, p.progressed_at, p.phase, p.finished_at,
    p.outcome, p.attempt, p.resumes, p.not_before, p.found, p.new, p.updated, p.unchanged,
    p.deleted, p.gone, p.failed, p.pending, p.imported
  from unnest(p_runs) with ordinality p
  order by p.ordinality
  on conflict do nothing
  returning *;
end;
$$;

comment on function gmail_sync._insert_runs(gmail_sync.user_sync_status[]) is
'Insert runs as they are given, except those that conflict.';

revoke all on function gmail_sync._insert_runs(gmail_sync.user_sync_status[]) from public;
