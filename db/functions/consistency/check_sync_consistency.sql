-- Lists what is wrong with the runs of a table: of ours, or of one without our constraints. It
-- reads the table with the caller's rights, hence no SECURITY DEFINER and dynamic SQL; ours,
-- which nobody may read, comes from _all_runs. Raises SY003 when p_table is NULL.
--
-- For ours it also reads all mail, and lists the users whose mail_count is wrong.

create or replace function gmail_sync.check_sync_consistency(
  p_table regclass default 'gmail_sync.user_sync_status'
)
returns table (user_id text, task_id text, rule text, explanation text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_table is null then
    raise exception 'table is missing' using errcode = 'SY003';
  end if;

  return query execute format($query$
    with run as (select to_jsonb(t.*) as row from %s t),
    named as (
      select row,
        row ->> 'user_id' as user_id,
        row ->> 'task_id' as task_id,
        count(*) filter (where row ->> 'is_syncing' = 'true')
          over (partition by row ->> 'user_id') as running,
        count(*) over (partition by row ->> 'task_id') as twins,
        count(*) over (partition by row ->> 'resumes') as successors
      from run
    )
    select n.user_id, n.task_id, f.rule, f.explanation
    from named n
    cross join lateral (
      select * from gmail_sync._row_violations(n.row)
      union all
      select 'uniq_user_running_sync', format('its user has %%s running rows', n.running)
      where n.running > 1 and n.row ->> 'is_syncing' = 'true' and n.user_id is not null
      union all
      select 'uniq_task_id', format('%%s rows have its task_id', n.twins)
      where n.twins > 1 and n.task_id is not null
      union all
      select 'uniq_resumes', format('%%s rows resume "%%s"', n.successors, n.row ->> 'resumes')
      where n.successors > 1 and n.row ->> 'resumes' is not null
    ) f
    order by n.user_id, n.task_id, f.rule
  $query$,
  case
    when p_table = 'gmail_sync.user_sync_status'::regclass then 'gmail_sync._all_runs()'
    else p_table::text
  end);

  if p_table = 'gmail_sync.user_sync_status'::regclass then
    return query
      select m.user_id, null::text, 'mail_is_counted', m.explanation
      from gmail_sync._miscounted_mail() m
      order by m.user_id;
  end if;
end;
$$;

comment on function gmail_sync.check_sync_consistency(regclass) is
'List what is wrong with the runs of a table.';

revoke all on function gmail_sync.check_sync_consistency(regclass) from public;
grant execute on function gmail_sync.check_sync_consistency(regclass)
  to gmail_sync_dba, gmail_sync_service;
