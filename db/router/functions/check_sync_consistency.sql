-- Another table than ours lies at one node.
if p_table <> 'gmail_sync.user_sync_status'::regclass then
  raise exception 'a table of your own is checked at the node where it is' using errcode = 'SY003';
end if;
return query
  select f.*
  from gmail_sync_route.node n
  cross join lateral gmail_sync_router.check_sync_consistency(n.node, p_table) f
  order by 1, 2, 3;
