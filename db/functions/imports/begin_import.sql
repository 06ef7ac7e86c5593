-- Begins an import of an export into a user's mailbox, or continues one that was interrupted.
-- p_email is the account's address, as the import has read it. With p_keep_deleted, messages that
-- Gmail no longer lists are stored as deleted. Raises SY002 when that mailbox is not connected.

create or replace function gmail_sync.begin_import(
  p_user_id text, p_email text, p_keep_deleted boolean default false
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._lock_mailbox(p_user_id, p_email);
  insert into gmail_sync.mail_import (user_id, keep_deleted)
  values (p_user_id, p_keep_deleted)
  on conflict (user_id) do update
  set keep_deleted = excluded.keep_deleted, known = 0, joined = 0, kept = 0, dropped = 0,
    unmatched = 0, own = null;
end;
$$;

comment on function gmail_sync.begin_import(text, text, boolean) is
'Begin an import into a user''s mailbox; SY002 when it is not connected.';

revoke all on function gmail_sync.begin_import(text, text, boolean) from public;
grant execute on function gmail_sync.begin_import(text, text, boolean) to gmail_sync_service;
