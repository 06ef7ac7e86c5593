-- A webhook for all users gets the same secret at every node.
declare
  v_node integer;
  v_secret text;
begin
  perform gmail_sync_router.require_every_node();
  for v_node in select n.node from gmail_sync_route.node n order by n.node loop
    if v_secret is null then
      v_secret := gmail_sync_router.rotate_webhook_secret(v_node, null, p_webhook_id);
    else
      perform gmail_sync_router.set_webhook_secret(v_node, p_webhook_id, v_secret);
    end if;
  end loop;
  return v_secret;
end;
