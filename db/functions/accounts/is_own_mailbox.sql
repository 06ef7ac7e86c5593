-- Whether an address that Gmail reports belongs to the mailbox of the user's account.

create or replace function gmail_sync.is_own_mailbox(p_user_id text, p_email text)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from gmail_sync.account a
    where a.user_id = p_user_id
      and gmail_sync._mailbox_identity(a.email) = gmail_sync._mailbox_identity(p_email)
  );
$$;

comment on function gmail_sync.is_own_mailbox(text, text) is
'Whether an address belongs to the mailbox of the user''s account.';

revoke all on function gmail_sync.is_own_mailbox(text, text) from public;
grant execute on function gmail_sync.is_own_mailbox(text, text) to gmail_sync_service;
