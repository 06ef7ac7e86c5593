-- What the user did as an operator lies at the nodes of others. The user's own node is the last, so
-- a deletion that failed half-way can be asked for again.
return (
  select bool_or(deleted)
  from (
    select gmail_sync_router.delete_account(n.node, p_user_id, p_expected_credentials) as deleted
    from gmail_sync_route.node n
    order by n.node = gmail_sync_router.node_of(p_user_id), n.node
  ) of_nodes
);
