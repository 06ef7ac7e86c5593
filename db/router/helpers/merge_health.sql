-- One answer of sync_health from those of several nodes. Numbers are added up, ages and shares are
-- those of the worst node, lists are joined. Each reason names its node; p_reasons come first.

create function gmail_sync_router.merge_health(p_answers jsonb[], p_reasons text[])
returns jsonb
language sql
stable
as $$
  with recursive fact as (
    select array[f.key] as path, f.value, jsonb_typeof(f.value) as type
    from unnest(p_answers) a (answer)
    cross join lateral jsonb_each(
      a.answer - array['healthy', 'node', 'quota', 'reasons', 'timestamp']
    ) f
    union all
    select o.path || f.key, f.value, jsonb_typeof(f.value)
    from fact o
    cross join lateral jsonb_each(o.value) f
    where o.type = 'object'
  ),
  merged as (
    select f.path, coalesce(
      to_jsonb(bool_or((f.value #>> '{}')::boolean) filter (where f.type = 'boolean')),
      to_jsonb(case
        when f.path && array[
          'notify_queue_percent', 'oldest_seconds', 'oldest_transaction_seconds', 'reapers', 'workers'
        ]
          then max((f.value #>> '{}')::numeric) filter (where f.type = 'number')
        else sum((f.value #>> '{}')::numeric) filter (where f.type = 'number')
      end)
    ) as value
    from fact f
    where f.type not in ('object', 'array')
    group by f.path
    union all
    select f.path, coalesce(jsonb_agg(distinct e.value) filter (where e.value is not null), '[]')
    from fact f
    left join lateral jsonb_array_elements(f.value) e on true
    where f.type = 'array'
    group by f.path
  ),
  quota as (
    select coalesce(jsonb_agg(q.day order by q.day ->> 'profile'), '[]') as days
    from (
      select (array_agg(d.value))[1] || jsonb_build_object(
        'used_units', sum((d.value ->> 'used_units')::bigint),
        'used_percent',
          round(100.0 * sum((d.value ->> 'used_units')::bigint) / max((d.value ->> 'day_units')::bigint), 1)
      ) as day
      from unnest(p_answers) a (answer)
      cross join lateral jsonb_array_elements(a.answer -> 'quota') d
      group by d.value ->> 'profile'
    ) q
  ),
  reason as (
    select p_reasons || coalesce(
      array_agg(format('node %s: %s', a.answer ->> 'node', r.reason)), '{}'
    ) as all_of_them
    from unnest(p_answers) a (answer)
    cross join lateral jsonb_array_elements_text(a.answer -> 'reasons') r (reason)
  )
  select jsonb_build_object(
    'healthy', reason.all_of_them = '{}',
    'timestamp', clock_timestamp(),
    'reasons', to_jsonb(reason.all_of_them),
    'quota', quota.days
  ) || (
    select jsonb_object_agg(m.path[1], m.value) from merged m where cardinality(m.path) = 1
  ) || (
    select jsonb_object_agg(o.key, o.members)
    from (
      select m.path[1] as key, jsonb_object_agg(m.path[2], m.value) as members
      from merged m
      where cardinality(m.path) = 2
      group by 1
    ) o
  )
  from reason, quota;
$$;
