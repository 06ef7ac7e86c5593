-- The RFC 822 bytes of a message, byte for byte as Gmail gave them, NULL where no raw copy is
-- kept: 0 or 1 row.

create or replace function gmail_sync.get_raw(p_user_id text, p_message_id text)
returns table (raw bytea)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select m.raw
  from gmail_sync.messages m
  where m.user_id = p_user_id
    and m.message_id = p_message_id;
$$;

comment on function gmail_sync.get_raw(text, text) is
'The RFC 822 bytes of a message, NULL where no raw copy is kept: 0 or 1 row.';

revoke all on function gmail_sync.get_raw(text, text) from public;
grant execute on function gmail_sync.get_raw(text, text) to gmail_sync_service;
