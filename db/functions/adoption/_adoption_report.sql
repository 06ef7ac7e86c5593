-- What became of the rows of a legacy table since a time, by fate and by the rules they broke.

create or replace function gmail_sync._adoption_report(p_source text, p_since timestamptz)
returns table (action text, reason text, row_count bigint, example text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select
    split_part(l.reason, ': ', 1),
    substr(l.reason, length(split_part(l.reason, ': ', 1)) + 3),
    count(*),
    min(coalesce(l.task_id, l.original::text))
  from gmail_sync.repair_log l
  where l.source = p_source
    and l.logged_at >= p_since
  group by 1, 2
  order by 3 desc, 1, 2;
$$;

comment on function gmail_sync._adoption_report(text, timestamptz) is
'What became of the rows of a legacy table since a time.';

revoke all on function gmail_sync._adoption_report(text, timestamptz) from public;
grant execute on function gmail_sync._adoption_report(text, timestamptz)
  to gmail_sync_dba, gmail_sync_service;
