-- How many messages of a user are stored, deleted ones left out, and how many of them have a raw
-- copy, which an export needs. Each write counts, so the answer does not read the mail.

create or replace function gmail_sync.count_messages(p_user_id text)
returns table (messages bigint, with_raw bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(sum(c.messages), 0)::bigint, coalesce(sum(c.with_raw), 0)::bigint
  from gmail_sync.mail_count c
  where c.user_id = p_user_id;
$$;

comment on function gmail_sync.count_messages(text) is
'How many messages of a user are stored, and how many of them have a raw copy.';

revoke all on function gmail_sync.count_messages(text) from public;
grant execute on function gmail_sync.count_messages(text) to gmail_sync_service;
