-- Deletes what a user did as an operator from the audit trail of a node.

create function gmail_sync_router.forget_actor(p_node integer, p_user_id text)
returns boolean
language plproxy
as $$
  cluster 'gmail_sync_nodes';
  run on p_node;
  select gmail_sync._forget_actor(p_user_id);
$$;
