create or replace function gmail_sync._raise_lease_lost(p_task_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'task % does not hold a lease', p_task_id
    using errcode = 'SY001',
      hint = 'It was reaped, cancelled, superseded or released: stop writing and drop the run.';
end;
$$;

comment on function gmail_sync._raise_lease_lost(text) is
'Raise SY001.';

revoke all on function gmail_sync._raise_lease_lost(text) from public;
