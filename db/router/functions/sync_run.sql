-- A task_id of an adopted run may not name its user: then every node is asked.
if gmail_sync_router.user_of(p_task_id) is not null then
  return query
    select * from gmail_sync_router.sync_run(
      gmail_sync_router.node_of(gmail_sync_router.user_of(p_task_id)), p_task_id
    );
  return;
end if;
return query
  select f.*
  from gmail_sync_route.node n
  cross join lateral gmail_sync_router.sync_run(n.node, p_task_id) f;
