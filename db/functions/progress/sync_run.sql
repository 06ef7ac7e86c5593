create or replace function gmail_sync.sync_run(p_task_id text)
returns setof gmail_sync._run
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select *
    from gmail_sync._run r
    where r.task_id = p_task_id;
end;
$$;

comment on function gmail_sync.sync_run(text) is
'One run by its task_id: 0 or 1 row.';

revoke all on function gmail_sync.sync_run(text) from public;
grant execute on function gmail_sync.sync_run(text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
