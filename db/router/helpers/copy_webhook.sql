-- Adds a webhook for all users at one more node.

create function gmail_sync_router.copy_webhook(
  p_node integer, p_url text, p_events text[], p_with_content boolean, p_id text, p_secret text
)
returns void
language plproxy
as $$
  cluster 'gmail_sync_nodes';
  run on p_node;
  select gmail_sync._add_webhook(null, p_url, p_events, p_with_content, p_id, p_secret);
$$;
