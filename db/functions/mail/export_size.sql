-- How many messages an export of a user's mail would hold, and how many more there are that have
-- no raw copy.

create or replace function gmail_sync.export_size(p_user_id text)
returns table (messages bigint, without_raw bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select count(m.raw), count(*) - count(m.raw)
  from gmail_sync.message m
  where m.user_id = p_user_id
    and m.deleted_at is null;
$$;

comment on function gmail_sync.export_size(text) is
'How many messages an export would hold, and how many have no raw copy.';

revoke all on function gmail_sync.export_size(text) from public;
grant execute on function gmail_sync.export_size(text) to gmail_sync_service;
