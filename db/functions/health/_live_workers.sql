create or replace view gmail_sync._live_workers as
select *
from gmail_sync.worker
where seen_at > clock_timestamp() - (select heartbeat_timeout from gmail_sync.settings);

comment on view gmail_sync._live_workers is
'Workers whose last heartbeat is within the heartbeat timeout.';
