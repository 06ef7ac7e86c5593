-- Messages that were given up, by user and error, with the number of each and one as an example.
-- The largest number comes first; list_failed_messages lists those of one user.
-- Raises SY003 when p_limit is not between 1 and 1,000.

create or replace function gmail_sync.list_dead_letters(p_limit integer default 100)
returns table (
  user_id text, error_code text, error_message text, messages bigint, example text
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select q.user_id::text, q.error_code, q.error_message, count(*), min(q.message_id)
  from gmail_sync.fetch_queue q
  where q.dead
  group by q.user_id, q.error_code, q.error_message
  order by count(*) desc, q.user_id, q.error_code, q.error_message
  limit gmail_sync._check_page_size(p_limit, 1000);
$$;

comment on function gmail_sync.list_dead_letters(integer) is
'Messages that were given up, by user and error.';

revoke all on function gmail_sync.list_dead_letters(integer) from public;
grant execute on function gmail_sync.list_dead_letters(integer)
  to gmail_sync_service, gmail_sync_dba;
