-- For psql: narrow enough for a terminal.

create or replace view gmail_sync.zombie_syncs as
select
  user_id::text as user_id,
  task_id,
  cause,
  date_trunc('second', silent_for) as silent_for,
  phase,
  progress_percentage as progress,
  left(claimed_by::text, 8) as worker
from gmail_sync._running_run
where cause is not null;

comment on view gmail_sync.zombie_syncs is
'Claimed runs whose lease has lapsed; the reaper will end them.';

grant select on gmail_sync.zombie_syncs to gmail_sync_reader, gmail_sync_dba;
