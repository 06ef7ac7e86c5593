-- Adopts the runs of an earlier application's table, which stays unchanged. A valid row becomes a
-- run, an invalid one an ended run. repair_log keeps each original row with the rules that it
-- broke. A second call adopts only new rows. No sync is started.
--
-- Returns the number of rows by action, outcome and rules, with an example of each. It reads the
-- table with the caller's rights, hence no SECURITY DEFINER and dynamic SQL. Raises SY003 for our
-- own table and for NULL.

create or replace function gmail_sync.adopt_legacy_sync_status(p_table regclass)
returns table (action text, outcome text, rules text[], row_count bigint, example text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  v_rows jsonb[];
begin
  if coalesce(p_table = 'gmail_sync.user_sync_status'::regclass, true) then
    raise exception '% is not a legacy table', p_table using errcode = 'SY003';
  end if;

  -- The time zone is pinned: otherwise a session with another time zone would see new originals.
  -- Every writer of several users' runs writes them in the order of users, which avoids deadlocks.
  -- Of several rows with one task_id or user, the latest comes first and wins.
  for v_rows in execute format($query$
    select array_agg(row order by n)
    from (
      select row, row_number() over (order by twin, row ->> 'user_id', age) as n
      from (
        select row, age, row_number() over (partition by row ->> 'task_id' order by age) as twin
        from (
          select to_jsonb(t.*) as row,
            row_number() over (
              order by gmail_sync._row_time(to_jsonb(t.*)) desc nulls last, to_jsonb(t.*)::text
            ) as age
          from %s t
        ) aged
      ) named
    ) legacy
    group by (n - 1) / 5000
    order by (n - 1) / 5000
  $query$, p_table)
  loop
    perform gmail_sync._adopt_rows(p_table::text, v_rows);
  end loop;

  return query select * from gmail_sync._adoption_report(p_table::text, now());
end;
$$;

comment on function gmail_sync.adopt_legacy_sync_status(regclass) is
'Adopt the runs of an earlier application''s table.';

revoke all on function gmail_sync.adopt_legacy_sync_status(regclass) from public;
grant execute on function gmail_sync.adopt_legacy_sync_status(regclass) to gmail_sync_dba;
