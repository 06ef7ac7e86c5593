-- Nodes in random order, so that no node's events wait for those of another, until one has some.
declare
  v_node integer;
  v_outages integer := 0;
begin
  for v_node in select n.node from gmail_sync_route.node n order by random() loop
    begin
      return query
        select * from gmail_sync_router.claim_webhook_deliveries(
          v_node, p_limit, p_per_webhook, p_lease
        );
      if found then
        return;
      end if;
    exception when others then
      if not gmail_sync_router.is_outage(sqlstate) then
        raise;
      end if;
      v_outages := v_outages + 1;
    end;
  end loop;
  perform gmail_sync_router.require_an_answer(
    v_outages < (select count(*) from gmail_sync_route.node)
  );
end;
