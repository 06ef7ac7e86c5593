-- A page of the accounts that Google rejects, with the reason and the time, by user id. p_after is
-- the last user id of the page before. With p_status_code, those with this code only: all rejected
-- accounts are read. Raises SY003 when p_limit is not between 1 and 1,000.

create or replace function gmail_sync.list_accounts_to_reconnect(
  p_limit integer default 100,
  p_after text default null,
  p_user_id text default null,
  p_status_code text default null
)
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
set enable_sort = off
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
    and a.user_id > coalesce(p_after, '')
    and (p_status_code is null or a.status_code = p_status_code)
    -- With "p_user_id is null or", all rejected accounts would be read for one.
    and a.user_id = any (
      case
        when p_user_id is not null then array[p_user_id]
        else array(
          select page.user_id::text
          from gmail_sync.account page
          where page.status in ('reauth_required', 'suspended')
            and page.user_id > coalesce(p_after, '')
            and (p_status_code is null or page.status_code = p_status_code)
          order by page.user_id limit p_limit
        )
      end
    )
  order by a.user_id
  limit gmail_sync._check_page_size(p_limit, 1000);
$$;

comment on function gmail_sync.list_accounts_to_reconnect(integer, text, text, text) is
'Accounts that Google rejects, with the reason and the time, in pages.';

revoke all on function gmail_sync.list_accounts_to_reconnect(integer, text, text, text) from public;
grant execute on function gmail_sync.list_accounts_to_reconnect(integer, text, text, text)
  to gmail_sync_service, gmail_sync_dba;
