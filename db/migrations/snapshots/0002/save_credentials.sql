-- Keeps sealed credentials that Google renewed. Raises SY001 when the lease is gone.

create or replace function gmail_sync.save_credentials(p_task_id text, p_credentials bytea)
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
  set credentials = p_credentials
  where user_id = v_user_id
    -- Connected anew meanwhile, the account is none of this run's business.
    and connected_at < (
      select claimed_at from gmail_sync.user_sync_status where task_id = p_task_id
    );

  perform gmail_sync._count(p_task_id, v_user_id, '{}', '{}', null, false);
end;
$$;

comment on function gmail_sync.save_credentials(text, bytea) is
'Keep sealed credentials that Google renewed.';

revoke all on function gmail_sync.save_credentials(text, bytea) from public;
grant execute on function gmail_sync.save_credentials(text, bytea) to gmail_sync_service;
