create or replace function gmail_sync.unregister_worker(p_worker uuid)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from gmail_sync.worker where id = p_worker;
$$;

comment on function gmail_sync.unregister_worker(uuid) is
'Forget a worker that has stopped.';

revoke all on function gmail_sync.unregister_worker(uuid) from public;
grant execute on function gmail_sync.unregister_worker(uuid) to gmail_sync_service;
