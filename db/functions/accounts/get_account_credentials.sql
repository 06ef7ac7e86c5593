-- What is needed to call Gmail for a user outside of a run: 0 or 1 row. The encrypted credentials
-- are also their version: replace_credentials and mark_credentials_rejected expect them.

create or replace function gmail_sync.get_account_credentials(p_user_id text)
returns table (
  email text,
  status text,
  status_reason text,
  credentials bytea,
  verified boolean,
  content_mode text,
  history_id numeric
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.email, a.status, a.status_reason, a.credentials, a.verified, a.content_mode,
    a.history_id
  from gmail_sync.account a
  where a.user_id = p_user_id;
$$;

comment on function gmail_sync.get_account_credentials(text) is
'What is needed to call Gmail for a user outside of a run: 0 or 1 row.';

revoke all on function gmail_sync.get_account_credentials(text) from public;
grant execute on function gmail_sync.get_account_credentials(text) to gmail_sync_service;
