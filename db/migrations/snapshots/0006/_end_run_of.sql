-- Cancels whatever runs for a user, the last step of taking an account away.

create or replace function gmail_sync._end_run_of(p_user_id text)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select gmail_sync.cancel_sync(r.task_id)
  from gmail_sync.user_sync_status r
  where r.user_id = p_user_id
    and r.is_syncing;
$$;

comment on function gmail_sync._end_run_of(text) is
'Cancel whatever runs for a user.';

revoke all on function gmail_sync._end_run_of(text) from public;
