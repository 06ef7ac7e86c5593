-- How many messages of a user are stored, deleted ones left out, and how many of them have a raw
-- copy, which an export needs.

create or replace function gmail_sync.count_messages(p_user_id text)
returns table (messages bigint, with_raw bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select count(*), count(raw)
  from gmail_sync.message
  where user_id = p_user_id
    and deleted_at is null;
$$;

comment on function gmail_sync.count_messages(text) is
'How many messages of a user are stored, and how many of them have a raw copy.';

revoke all on function gmail_sync.count_messages(text) from public;
grant execute on function gmail_sync.count_messages(text) to gmail_sync_service;
