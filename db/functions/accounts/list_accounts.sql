create or replace function gmail_sync.list_accounts(p_user_id text default null)
returns table (
  user_id text,
  email text,
  status text,
  status_code text,
  status_reason text,
  history_id numeric,
  content_mode text,
  quota_profile text,
  sync_interval interval,
  connected_at timestamptz
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.user_id::text, a.email, a.status, a.status_code, a.status_reason, a.history_id,
    a.content_mode, a.quota_profile, a.sync_interval, a.connected_at
  from gmail_sync.account a
  where p_user_id is null or a.user_id = p_user_id
  order by a.user_id;
$$;

comment on function gmail_sync.list_accounts(text) is
'Accounts without their credentials, of one user or of all.';

revoke all on function gmail_sync.list_accounts(text) from public;
grant execute on function gmail_sync.list_accounts(text) to gmail_sync_service, gmail_sync_dba;
