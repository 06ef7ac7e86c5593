-- p_limit is a number of users, who may have several rows each.
return query
  select l.user_id, l.error_code, l.error_message, l.messages, l.is_estimate, l.example
  from (
    select f.*, dense_rank() over (order by f.user_id) as place
    from gmail_sync_route.node n
    cross join lateral gmail_sync_router.list_dead_letters(n.node, p_limit, p_after, p_user_id) f
    where p_user_id is null or n.node = gmail_sync_router.node_of(p_user_id)
  ) l
  -- Without coalesce, no node would be asked, so none would refuse NULL.
  where coalesce(l.place <= p_limit, true)
  order by l.user_id, l.error_code;
