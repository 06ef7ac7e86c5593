-- Accounts without their credentials: of one user, or a page of all, by user id. p_after is the
-- last user id of the page before; without p_limit the page has no end. Raises SY003 when p_limit
-- is not between 1 and 1,000.

create or replace function gmail_sync.list_accounts(
  p_user_id text default null, p_limit integer default null, p_after text default null
)
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
  -- With "p_user_id is null or", all accounts would be read for one.
  where a.user_id = any (
    case
      when p_user_id is not null then array[p_user_id]
      else array(
        select page.user_id::text
        from gmail_sync.account page
        where page.user_id > coalesce(p_after, '')
        order by page.user_id
        limit case when p_limit is not null then gmail_sync._check_page_size(p_limit, 1000) end
      )
    end
  )
  order by a.user_id;
$$;

comment on function gmail_sync.list_accounts(text, integer, text) is
'Accounts without their credentials: of one user, or a page of all.';

revoke all on function gmail_sync.list_accounts(text, integer, text) from public;
grant execute on function gmail_sync.list_accounts(text, integer, text)
  to gmail_sync_service, gmail_sync_dba;
