-- Discards a cursor that Gmail no longer knows: the run becomes a full sync. Raises SY001 when the
-- lease is gone.

create or replace function gmail_sync.expire_history(p_task_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
begin
  update gmail_sync.account set history_id = null where user_id = v_user_id;
  update gmail_sync.user_sync_status
  set sync_type = 'full'
  where task_id = p_task_id
    and finished_at is null;
  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', 'listing', false);
end;
$$;

comment on function gmail_sync.expire_history(text) is
'Discard a cursor that Gmail no longer knows; the run becomes a full sync.';

revoke all on function gmail_sync.expire_history(text) from public;
grant execute on function gmail_sync.expire_history(text) to gmail_sync_service;
