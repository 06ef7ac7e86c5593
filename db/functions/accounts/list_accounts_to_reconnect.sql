-- Accounts that Google rejects, by user, with the reason and the time. status_code says who must
-- act. Raises SY003 when p_limit is not between 1 and 1,000.

create or replace function gmail_sync.list_accounts_to_reconnect(p_limit integer default 100)
returns table (
  user_id text,
  email text,
  status text,
  status_code text,
  status_reason text,
  refused_at timestamptz
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.user_id::text, a.email, a.status, a.status_code, a.status_reason,
    (
      select max(e.at)
      from gmail_sync.audit_event e
      where e.user_id = a.user_id
        and e.act in ('reauth_required', 'suspended')
    )
  from gmail_sync.account a
  where a.status in ('reauth_required', 'suspended')
  order by a.user_id
  limit gmail_sync._check_page_size(p_limit, 1000);
$$;

comment on function gmail_sync.list_accounts_to_reconnect(integer) is
'Accounts that Google rejects, with the reason and the time.';

revoke all on function gmail_sync.list_accounts_to_reconnect(integer) from public;
grant execute on function gmail_sync.list_accounts_to_reconnect(integer)
  to gmail_sync_service, gmail_sync_dba;
