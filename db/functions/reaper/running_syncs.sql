-- For psql: narrow enough for a terminal. cause says why a run is a zombie, if it is one.

create or replace view gmail_sync.running_syncs as
select
  user_id::text as user_id,
  task_id,
  phase,
  progress_percentage as progress,
  (current_stats ->> 'found')::integer - (current_stats ->> 'pending')::integer as done,
  (current_stats ->> 'found')::integer as found,
  date_trunc('second', silent_for) as silent_for,
  left(claimed_by::text, 8) as worker,
  cause
from gmail_sync._running_run;

comment on view gmail_sync.running_syncs is
'Runs that are queued or claimed, with the age of their heartbeat.';

grant select on gmail_sync.running_syncs to gmail_sync_reader, gmail_sync_dba;
