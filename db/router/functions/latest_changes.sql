return query
  select f.*
  from (
    select gmail_sync_router.node_of(u.user_id) as node, array_agg(u.user_id) as user_ids
    from unnest(p_user_ids) u (user_id)
    group by 1
  ) n
  cross join lateral gmail_sync_router.latest_changes(n.node, n.user_ids) f;
