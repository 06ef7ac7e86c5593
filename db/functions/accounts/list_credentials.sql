-- A page of encrypted credentials, by user id, for the rotation of keys. replace_credentials takes
-- them back. Raises SY003 when p_limit is not between 1 and 1,000.

create or replace function gmail_sync.list_credentials(
  p_after text default null, p_limit integer default 100
)
returns table (user_id text, credentials bytea)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.user_id::text, a.credentials
  from gmail_sync.account a
  where a.credentials is not null
    and (p_after is null or a.user_id > p_after)
  order by a.user_id
  limit gmail_sync._check_page_size(p_limit, 1000);
$$;

comment on function gmail_sync.list_credentials(text, integer) is
'A page of sealed credentials, by user id.';

revoke all on function gmail_sync.list_credentials(text, integer) from public;
grant execute on function gmail_sync.list_credentials(text, integer) to gmail_sync_service;
