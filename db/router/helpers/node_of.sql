-- The node where a user's mail is.

create function gmail_sync_router.node_of(p_user_id text)
returns integer
language sql
stable
as $$
  select s.node from gmail_sync_route.slot s where s.slot = gmail_sync_router.slot(p_user_id);
$$;
