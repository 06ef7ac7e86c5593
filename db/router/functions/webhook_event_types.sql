-- All nodes have the same.
declare
  v_types text[] := (
    select a.answer from gmail_sync_router.ask_webhook_event_types() a
    where a.outage is null
    limit 1
  );
begin
  perform gmail_sync_router.require_an_answer(v_types is not null);
  return v_types;
end;
