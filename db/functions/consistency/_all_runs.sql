-- Our runs, for check_sync_consistency, whose caller has no right to read the table.

create or replace function gmail_sync._all_runs()
returns setof gmail_sync.user_sync_status
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select * from gmail_sync.user_sync_status;
$$;

comment on function gmail_sync._all_runs() is
'All runs of the table.';

revoke all on function gmail_sync._all_runs() from public;
grant execute on function gmail_sync._all_runs() to gmail_sync_dba, gmail_sync_service;
