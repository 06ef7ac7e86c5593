-- Stores until when Gmail pushes changes of the account. NULL means that Gmail refused;
-- settings.watch_interval later it is asked again. Raises SY001 when the lease is gone.

create or replace function gmail_sync.store_watch(p_task_id text, p_expires_at timestamptz)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
begin
  update gmail_sync.account
  set watch_expires_at = p_expires_at, watched_at = clock_timestamp()
  where user_id = v_user_id
    -- If the account was connected again meanwhile, this run must not change it.
    and connected_during is distinct from p_task_id;

  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', null, false);
end;
$$;

comment on function gmail_sync.store_watch(text, timestamptz) is
'Store until when Gmail pushes changes; SY001 when the lease is gone.';

revoke all on function gmail_sync.store_watch(text, timestamptz) from public;
grant execute on function gmail_sync.store_watch(text, timestamptz) to gmail_sync_service;
