-- A user's messages that could not be fetched, by message_id: given up (dead), or to be tried again
-- at retry_at. error_class is a word for programs, NULL where there is none; reason is for people.
-- p_after is the last message_id of the page before. Raises SY003 when p_limit is not between 1 and
-- 500.

create or replace function gmail_sync.list_failed_messages(
  p_user_id text, p_limit integer default 50, p_after text default null
)
returns table (
  message_id text,
  attempts integer,
  error_class text,
  reason text,
  retry_at timestamptz,
  dead boolean
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select q.message_id, q.attempts,
    substring(q.last_error from '^(\w+): '),
    regexp_replace(q.last_error, '^\w+: ', ''),
    case when not q.dead then q.not_before end,
    q.dead
  from gmail_sync.fetch_queue q
  where q.user_id = p_user_id
    -- Whoever made one due again has also taken back its attempts.
    and (q.dead or q.attempts > 0 and q.last_error is not null)
    and (p_after is null or q.message_id > p_after)
  order by q.message_id
  limit gmail_sync._check_page_size(p_limit, 500);
$$;

comment on function gmail_sync.list_failed_messages(text, integer, text) is
'A user''s messages that could not be fetched, with the reason, in pages.';

revoke all on function gmail_sync.list_failed_messages(text, integer, text) from public;
grant execute on function gmail_sync.list_failed_messages(text, integer, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
