-- Ends every zombie and creates its successor; returns what was done. Safe to run at any time, by
-- several callers at once.

create or replace function gmail_sync.reap_zombie_syncs()
returns table (task_id text, user_id text, cause text, silent_for interval, successor text)
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select * from gmail_sync._reap_zombies(null);
$$;

comment on function gmail_sync.reap_zombie_syncs() is
'End every zombie and create its successor.';

revoke all on function gmail_sync.reap_zombie_syncs() from public;
grant execute on function gmail_sync.reap_zombie_syncs() to gmail_sync_service, gmail_sync_dba;
