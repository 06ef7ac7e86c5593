-- Removes a webhook for all users from the nodes that answer.

create function gmail_sync_router.try_remove_webhook(p_webhook_id text)
returns void
language plpgsql
as $$
declare
  v_node integer;
begin
  for v_node in select n.node from gmail_sync_route.node n loop
    begin
      perform gmail_sync_router.remove_webhook(v_node, null, p_webhook_id);
    exception when others then
      if not gmail_sync_router.is_outage(sqlstate) then
        raise;
      end if;
    end;
  end loop;
end;
$$;
