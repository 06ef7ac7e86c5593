-- For psql: narrow enough for a terminal. sync_run() and sync_history() return all columns.

create or replace view gmail_sync.sync_runs as
select
  r.user_id::text as user_id,
  r.task_id,
  coalesce(r.outcome, r.phase) as state,
  r.progress_percentage as progress,
  r.found,
  r.failed,
  r.started_at::timestamptz(0) as started_at,
  date_trunc('second', coalesce(r.finished_at, clock_timestamp()) - r.started_at) as took
from gmail_sync.user_sync_status r;

comment on view gmail_sync.sync_runs is
'Runs, running and ended, one line each.';

grant select on gmail_sync.sync_runs to gmail_sync_app, gmail_sync_reader, gmail_sync_dba;
