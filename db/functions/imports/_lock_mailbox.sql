-- Locks the user's mail. Raises SY002 unless the user has a usable Gmail account of this mailbox.
-- An import reads the address when it begins; so its mail never gets into another mailbox that is
-- connected meanwhile.

create or replace function gmail_sync._lock_mailbox(p_user_id text, p_email text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_account gmail_sync.account;
begin
  perform gmail_sync._lock_user_mail(p_user_id);
  perform gmail_sync._require_account(p_user_id);
  select * into v_account from gmail_sync.account a where a.user_id = p_user_id;
  if v_account.status not in ('connected', 'suspended') then
    raise exception 'the Gmail account of user % is not connected: %',
      p_user_id, coalesce(v_account.status_reason, v_account.status)
      using errcode = 'SY002', hint = 'Connect Gmail for this user, then import again.';
  elsif not gmail_sync.is_own_mailbox(p_user_id, p_email) then
    raise exception 'the mailbox of user % is not % any more', p_user_id, p_email
      using errcode = 'SY002', hint = 'Import again, if the export is of the new mailbox.';
  end if;
end;
$$;

comment on function gmail_sync._lock_mailbox(text, text) is
'Lock a user''s mail; SY002 unless this mailbox is connected.';

revoke all on function gmail_sync._lock_mailbox(text, text) from public;
