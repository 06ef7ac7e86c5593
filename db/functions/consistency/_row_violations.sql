-- The rules a run's row, given as JSON, breaks, with an explanation of each.

create or replace function gmail_sync._row_violations(p_row jsonb)
returns table (rule text, explanation text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select f.rule, gmail_sync._describe_violation(f.rule, p_row)
  from unnest(gmail_sync._violations(p_row)) as f (rule);
$$;

comment on function gmail_sync._row_violations(jsonb) is
'The rules a run''s row breaks, with an explanation of each.';

revoke all on function gmail_sync._row_violations(jsonb) from public;
grant execute on function gmail_sync._row_violations(jsonb) to gmail_sync_dba, gmail_sync_service;
