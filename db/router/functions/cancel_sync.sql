-- A task_id of an adopted run may not name its user: then every node is asked.
if gmail_sync_router.user_of(p_task_id) is not null then
  return gmail_sync_router.cancel_sync(
    gmail_sync_router.node_of(gmail_sync_router.user_of(p_task_id)), p_task_id
  );
end if;
return (
  select bool_or(gmail_sync_router.cancel_sync(n.node, p_task_id)) from gmail_sync_route.node n
);
