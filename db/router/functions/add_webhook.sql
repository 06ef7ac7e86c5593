-- A webhook for all users belongs to a node: one that is added here would hear of a part of them.
begin
  if p_user_id is null then
    raise exception 'a webhook for all users cannot be added at a router'
      using errcode = 'SY003', hint = 'Add it at each node.';
  end if;
  return query
    select * from gmail_sync_router.add_webhook(
      gmail_sync_router.node_of(p_user_id), p_user_id, p_url, p_events
    );
end;
