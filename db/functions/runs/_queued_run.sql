-- Runs that wait for a worker. Those of users who live on another node are left to that node.

create or replace view gmail_sync._queued_run as
select r.*
from gmail_sync.user_sync_status r
where r.is_syncing
  and r.claimed_at is null
  and gmail_sync._user_slot(r.user_id) <> all (array(select slot from gmail_sync.slot_elsewhere));

comment on view gmail_sync._queued_run is
'Runs that wait for a worker of this node.';
