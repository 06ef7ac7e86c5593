-- By cause, each node reads so many runs and no more. What lies behind the first of their ends
-- comes with the next page.
declare
  v_read_to text;
begin
  if p_cause is not null and p_user_id is null and p_worker is null then
    v_read_to := gmail_sync.running_syncs_read_to(p_limit, p_after);
  end if;
  return query
    select f.*
    from gmail_sync_route.node n
    cross join lateral gmail_sync_router.list_running_syncs(
      n.node, p_limit, p_after, p_user_id, p_cause, p_worker
    ) f
    where (p_user_id is null or n.node = gmail_sync_router.node_of(p_user_id))
      and (v_read_to is null or f.user_id <= v_read_to)
    order by f.user_id
    limit p_limit;
end;
