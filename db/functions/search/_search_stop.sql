-- The last row of a search that stops after it has read back to a moment. It is the last message
-- that was read, in the form of search_messages.

create or replace function gmail_sync._search_stop(
  p_user_id text, p_until timestamptz, p_until_id text
)
returns table (
  message_id text,
  thread_id text,
  internal_date timestamptz,
  label_ids text[],
  subject text,
  sender text,
  recipients text,
  snippet text,
  size_estimate bigint,
  has_attachment boolean,
  is_found boolean
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select m.message_id, null::text, m.internal_date, null::text[], null::text, null::text,
    null::text, null::text, null::bigint, null::boolean, false
  from gmail_sync.message m
  where m.user_id = p_user_id
    and (m.internal_date, m.message_id) >= (p_until, p_until_id)
  order by m.internal_date, m.message_id
  limit 1;
$$;

comment on function gmail_sync._search_stop(text, timestamptz, text) is
'The last row of a search that stops after it has read back to a moment.';

revoke all on function gmail_sync._search_stop(text, timestamptz, text) from public;
