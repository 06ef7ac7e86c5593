-- Says in which state Google left the account, with the reason in words: reauth_required or
-- suspended. Cursor and queue stay. Raises SY001 when the lease is gone. For workers of before
-- revision 0007 alone, which are at work while it is installed; refuse_credentials says it now.

create or replace function gmail_sync.set_account_status(
  p_task_id text, p_status text, p_reason text
)
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
  set status = p_status, status_reason = p_reason
  where user_id = v_user_id
    -- Connected anew meanwhile, the account is none of this run's business.
    and connected_at < (
      select claimed_at from gmail_sync.user_sync_status where task_id = p_task_id
    );
  if found then
    perform gmail_sync._audit(
      p_status, v_user_id, jsonb_build_object('reason', p_reason), 'google'
    );
  end if;

  perform gmail_sync._count(p_task_id, v_user_id, '{}', '{}', null, false);
end;
$$;

comment on function gmail_sync.set_account_status(text, text, text) is
'Say in which state Google left the account; SY001 when the lease is gone.';

revoke all on function gmail_sync.set_account_status(text, text, text) from public;
grant execute on function gmail_sync.set_account_status(text, text, text) to gmail_sync_service;
