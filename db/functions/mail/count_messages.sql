-- How many messages of a user are stored, deleted ones left out.

create or replace function gmail_sync.count_messages(p_user_id text)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select count(*)
  from gmail_sync.message
  where user_id = p_user_id
    and deleted_at is null;
$$;

comment on function gmail_sync.count_messages(text) is
'How many messages of a user are stored.';

revoke all on function gmail_sync.count_messages(text) from public;
grant execute on function gmail_sync.count_messages(text) to gmail_sync_service;
