-- A webhook for all users is at every node, and listed once: with what is wrong at any node.
return query
  select w.id, min(w.url), min(w.events), bool_and(w.with_content), min(w.created_at),
    min(w.failing_since), max(w.last_error), min(w.disabled_at), max(w.disabled_reason),
    least(sum(w.waiting), 1000)::integer
  from gmail_sync_route.node n
  cross join lateral gmail_sync_router.list_webhooks(n.node, null) w
  group by w.id
  order by min(w.created_at), w.id;
