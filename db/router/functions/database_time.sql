if p_task_id is null then
  return clock_timestamp();
end if;
return gmail_sync_router.database_time(
  gmail_sync_router.node_of(gmail_sync_router.user_of(p_task_id)), p_task_id
);
