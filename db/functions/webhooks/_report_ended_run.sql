-- Queues sync.finished or sync.failed when a run has ended for good. A superseded or reaped run
-- goes on in its successor.

create or replace function gmail_sync._report_ended_run()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._queue_for_webhooks(
    new.user_id,
    case when new.outcome = 'succeeded' then 'sync.finished' else 'sync.failed' end
      ::gmail_sync.webhook_event_type,
    jsonb_build_object(
      'task_id', new.task_id,
      'sync_type', new.sync_type,
      'outcome', new.outcome,
      'error_message', new.error_message,
      'statistics', new.current_stats
    )
  );
  return null;
end;
$$;

comment on function gmail_sync._report_ended_run() is
'Trigger: report that a run has ended to the webhooks that want it.';

revoke all on function gmail_sync._report_ended_run() from public;
