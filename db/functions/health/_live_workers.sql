create or replace view gmail_sync._live_workers as
select *
from gmail_sync.worker
where gmail_sync._is_within(
  seen_at,
  (select heartbeat_timeout from gmail_sync.settings),
  (select heartbeat_timeout from gmail_sync.settings)
);

comment on view gmail_sync._live_workers is
'Workers whose last heartbeat is within the heartbeat timeout.';
