-- The runs of users of a node that is down are left out, so that the others are still shown.
declare
  v_node record;
begin
  for v_node in
    select gmail_sync_router.node_of(u.user_id) as number, array_agg(u.user_id) as user_ids
    from unnest(p_user_ids) u (user_id)
    group by 1
  loop
    begin
      return query
        select * from gmail_sync_router.sync_progress(v_node.number, v_node.user_ids);
    exception when others then
      if not gmail_sync_router.is_outage(sqlstate) then
        raise;
      end if;
    end;
  end loop;
end;
