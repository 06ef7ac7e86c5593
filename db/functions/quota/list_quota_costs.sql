-- What one call of each Gmail method and format costs a user's account, in quota units; no row
-- where its profile has no costs.

create or replace function gmail_sync.list_quota_costs(p_user_id text)
returns table (method text, format text, units integer)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select c.method, c.format, c.units
  from gmail_sync.account a
  join gmail_sync.quota_cost c on c.profile = a.quota_profile
  where a.user_id = p_user_id
  order by c.method, c.format;
$$;

comment on function gmail_sync.list_quota_costs(text) is
'What one call of each Gmail method and format costs a user''s account.';

revoke all on function gmail_sync.list_quota_costs(text) from public;
grant execute on function gmail_sync.list_quota_costs(text) to gmail_sync_service;
