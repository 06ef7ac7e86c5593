-- Sums, and the worst where a sum has no meaning. A node that is down is a reason.
declare
  v_answers jsonb[];
  v_outages text[];
  v_nodes jsonb;
begin
  select array_agg(a.answer || jsonb_build_object('node', a.node)) filter (where a.outage is null),
    array_agg(format('node %s cannot be asked: %s', a.node, a.outage) order by a.node)
      filter (where a.outage is not null),
    jsonb_agg(jsonb_build_object(
      'node', a.node, 'healthy', a.outage is null and (a.answer ->> 'healthy')::boolean
    ) order by a.node)
  into v_answers, v_outages, v_nodes
  from gmail_sync_router.ask_sync_health() a;
  perform gmail_sync_router.require_an_answer(v_answers is not null);
  return gmail_sync_router.merge_health(v_answers, coalesce(v_outages, '{}'))
    || jsonb_build_object('nodes', v_nodes);
end;
