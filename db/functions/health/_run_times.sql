-- Four facts of each run: when it was due, when it left the queue, when it last worked, and how
-- many messages it settled itself. A run still in the queue leaves it now; one that ended there
-- never did (NULL). Messages of the runs it resumes are not counted.

create or replace view gmail_sync._run_times as
select
  r.is_syncing,
  r.outcome,
  greatest(r.started_at, r.not_before) as due_at,
  coalesce(r.claimed_at, case when r.is_syncing then now() end) as left_queue_at,
  r.claimed_at,
  least(coalesce(r.finished_at, r.updated_at), now()) as last_at,
  r.finished_at,
  greatest(0, r.found - r.pending - r.done_at_claim) as settled
from gmail_sync.user_sync_status r;

comment on view gmail_sync._run_times is
'When a run was due, left the queue and was last at work, and how many messages it settled.';
