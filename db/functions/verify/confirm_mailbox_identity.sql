-- Records that the run's credentials are those of the account's own mailbox. A suspended account
-- becomes connected, because Gmail answers again. Raises SY002 when it is another mailbox, so that
-- two mailboxes are never mixed, and SY001 when the lease is gone.

create or replace function gmail_sync.confirm_mailbox_identity(p_task_id text, p_email text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_email text;
begin
  if not gmail_sync.is_own_mailbox(v_user_id, p_email) then
    select a.email into v_email from gmail_sync.account a where a.user_id = v_user_id;
    raise exception 'the mailbox is %, the account of user % is %',
      p_email, v_user_id, coalesce(v_email, 'not connected')
      using errcode = 'SY002', hint = 'Connect the mailbox that was connected first.';
  end if;

  update gmail_sync.account
  set verified = true, status = 'connected', status_code = null, status_reason = null
  where user_id = v_user_id
    and status in ('connected', 'suspended')
    -- If the account was connected again meanwhile, these are other credentials.
    and connected_during is distinct from p_task_id;
  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', null, false);
end;
$$;

comment on function gmail_sync.confirm_mailbox_identity(text, text) is
'Record that Gmail answers as the account''s own mailbox; SY002 when it is another.';

revoke all on function gmail_sync.confirm_mailbox_identity(text, text) from public;
grant execute on function gmail_sync.confirm_mailbox_identity(text, text) to gmail_sync_service;
