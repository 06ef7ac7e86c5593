-- One node sends the test of a webhook for all users.
declare
  v_node integer;
  v_event_id text;
begin
  for v_node in select n.node from gmail_sync_route.node n order by n.node loop
    v_event_id := gmail_sync_router.test_webhook(v_node, null, p_webhook_id);
    exit when v_event_id is not null;
  end loop;
  return v_event_id;
end;
