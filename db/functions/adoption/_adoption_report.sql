-- The rows of a legacy table handled since a time, by action, outcome and the rules they broke.

create or replace function gmail_sync._adoption_report(p_source text, p_since timestamptz)
returns table (action text, outcome text, rules text[], row_count bigint, example text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select l.action, l.outcome, l.rules, count(*), min(coalesce(l.task_id, l.original::text))
  from gmail_sync.repair_log l
  where l.source = p_source
    and l.logged_at between p_since and clock_timestamp()
  group by l.action, l.outcome, l.rules
  order by count(*) desc, l.action, l.outcome, l.rules;
$$;

comment on function gmail_sync._adoption_report(text, timestamptz) is
'The rows of a legacy table handled since a time, by action, outcome and rules.';

revoke all on function gmail_sync._adoption_report(text, timestamptz) from public;
grant execute on function gmail_sync._adoption_report(text, timestamptz)
  to gmail_sync_dba, gmail_sync_service;
