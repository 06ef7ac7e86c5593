-- Sums, and the worst where a sum has no meaning. A node that is down is a reason, and so is one
-- with another schema.
declare
  v_answers jsonb[];
  v_reasons text[];
  v_nodes jsonb;
begin
  select array_agg(a.answer || jsonb_build_object('node', a.node)) filter (where a.outage is null),
    array_agg(format('node %s cannot be asked: %s', a.node, a.outage) order by a.node)
      filter (where a.outage is not null),
    jsonb_agg(jsonb_build_object(
      'node', a.node, 'healthy', a.outage is null and (a.answer ->> 'healthy')::boolean
    ) order by a.node)
  into v_answers, v_reasons, v_nodes
  from gmail_sync_router.ask_sync_health() a;
  perform gmail_sync_router.require_an_answer(v_answers is not null);
  v_reasons := coalesce(v_reasons, '{}') || array(
    select format(
      'node %s has schema %s, and the router %s: run gmail-sync migrate there, then gmail-sync '
      'router install', a.answer ->> 'node', v.version, gmail_sync.schema_version()
    )
    from unnest(v_answers) a (answer)
    cross join lateral gmail_sync_router.schema_version((a.answer ->> 'node')::integer) v (version)
    where v.version is distinct from gmail_sync.schema_version()
  );
  return gmail_sync_router.merge_health(v_answers, v_reasons)
    || jsonb_build_object('nodes', v_nodes);
end;
