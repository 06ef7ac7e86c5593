-- Gives a webhook for all users its new secret at one more node.

create function gmail_sync_router.set_webhook_secret(
  p_node integer, p_webhook_id text, p_secret text
)
returns text
language plproxy
as $$
  cluster 'gmail_sync_nodes';
  run on p_node;
  select gmail_sync._set_webhook_secret(null, p_webhook_id, p_secret);
$$;
