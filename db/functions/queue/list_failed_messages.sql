-- A user's messages that could not be fetched, by message_id: given up (dead), or to be tried again
-- at retry_at. error_code is a word for programs, NULL where there is none. error_message is for
-- people.
-- p_after is the last message_id of the page before. Raises SY003 when p_limit is not between 1 and
-- 500.

create or replace function gmail_sync.list_failed_messages(
  p_user_id text, p_limit integer default 50, p_after text default null
)
returns table (
  message_id text,
  attempts integer,
  error_code text,
  error_message text,
  retry_at timestamptz,
  dead boolean
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select q.message_id, q.attempts, q.error_code, q.error_message,
    case when not q.dead then q.not_before end,
    q.dead
  from gmail_sync.fetch_queue q
  where q.user_id = p_user_id
    -- To make a message due again also resets its attempts.
    and (q.dead or q.attempts > 0 and q.error_message is not null)
    and (p_after is null or q.message_id > p_after)
  order by q.message_id
  limit gmail_sync._check_page_size(p_limit, 500);
$$;

comment on function gmail_sync.list_failed_messages(text, integer, text) is
'A user''s messages that could not be fetched, with the error, in pages.';

revoke all on function gmail_sync.list_failed_messages(text, integer, text) from public;
grant execute on function gmail_sync.list_failed_messages(text, integer, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
