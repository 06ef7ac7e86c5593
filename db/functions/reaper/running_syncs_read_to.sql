-- The last user id that list_running_syncs reads for such a page by cause. The next page begins
-- after it, however few rows this one has. NULL if nothing is left to read.

create or replace function gmail_sync.running_syncs_read_to(
  p_limit integer default 100, p_after text default null
)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_sort = off
as $$
  select r.user_id::text
  from gmail_sync.user_sync_status r
  where r.is_syncing and r.user_id > coalesce(p_after, '')
  order by r.user_id
  offset greatest(gmail_sync._check_page_size(p_limit, 10000), 3000) - 1 limit 1;
$$;

comment on function gmail_sync.running_syncs_read_to(integer, text) is
'The last user id that a page of running syncs by cause reads; NULL if nothing is left.';

revoke all on function gmail_sync.running_syncs_read_to(integer, text) from public;
grant execute on function gmail_sync.running_syncs_read_to(integer, text)
  to gmail_sync_service, gmail_sync_dba;
