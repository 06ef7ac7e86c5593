-- Adopts the rows of a legacy table that can be adopted together. Of several rows with one task_id
-- it takes the first. Returns the other rows; _adopt_row handles those one by one.

create or replace function gmail_sync._adopt_batch(p_source text, p_rows jsonb[])
returns jsonb[]
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_places bigint[];
begin
  with named as (
    select distinct on (row ->> 'task_id') row, place, gmail_sync._violations(row) as faults
    from unnest(p_rows) with ordinality as given (row, place)
    order by row ->> 'task_id', place
  ),
  fresh as materialized (
    select row, place, faults, gmail_sync._repaired_run(row, true, faults) as run
    from named
    where not faults && array['no_user', 'user_id_is_readable', 'no_task_id']
      and not exists (
        select from gmail_sync.repair_log l
        where l.source = p_source and l.task_id = row ->> 'task_id'
      )
  ),
  inserted as (
    select * from gmail_sync._insert_runs(array(select run from fresh order by place))
  ),
  logged as materialized (
    select place, gmail_sync._log_repair(
      p_source, row, 'adopted', faults, coalesce(i.outcome, 'running')
    )
    from inserted i
    join fresh on (fresh.run).task_id = i.task_id
  )
  select array_agg(place) into v_places from logged;

  return array(
    select row
    from unnest(p_rows) with ordinality as given (row, place)
    where not exists (select from unnest(v_places) as done (n) where done.n = place)
    order by place
  );
end;
$$;

comment on function gmail_sync._adopt_batch(text, jsonb[]) is
'Adopt rows of a legacy table together; returns those to be adopted one by one.';

revoke all on function gmail_sync._adopt_batch(text, jsonb[]) from public;
