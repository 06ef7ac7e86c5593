-- A webhook for all users is at every node, with the same id and secret. If it cannot be added at
-- one, it is removed from the others, so that the call can be repeated.
declare
  v_node integer;
begin
  perform gmail_sync_router.require_every_node();
  begin
    for v_node in select n.node from gmail_sync_route.node n order by n.node loop
      if id is null then
        select w.id, w.secret into id, secret
        from gmail_sync_router.add_webhook(v_node, null, p_url, p_events, p_with_content) w;
      else
        perform gmail_sync_router.copy_webhook(
          v_node, p_url, p_events, p_with_content, id, secret
        );
      end if;
    end loop;
  exception when others then
    perform gmail_sync_router.try_remove_webhook(id);
    raise;
  end;
  return next;
end;
