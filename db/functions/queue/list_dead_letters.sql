-- Messages that were given up, by user and error code, with one as an example. A page has p_limit
-- users, by user id; p_after is the last user id of the page before. list_failed_messages lists the
-- messages of one user.
--
-- A user's first 1,000 are counted. If there are as many, is_estimate is true: there may be more.
-- Raises SY003 when p_limit is not between 1 and 1,000.

create or replace function gmail_sync.list_dead_letters(
  p_limit integer default 100, p_after text default null, p_user_id text default null
)
returns table (
  user_id text, error_code text, error_message text, messages bigint, is_estimate boolean,
  example text
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit integer := gmail_sync._check_page_size(p_limit, 1000);
begin
  return query
    -- Each step reads one entry of the index, however many a user has.
    with recursive holder (user_id, n) as (
      (
        select q.user_id::text, 1
        from gmail_sync._dead_letter q
        where q.user_id > coalesce(p_after, '')
          and q.user_id >= coalesce(p_user_id, '')
        order by q.user_id limit 1
      )
      union all
      select next.user_id, h.n + 1
      from holder h
      cross join lateral (
        select q.user_id::text
        from gmail_sync._dead_letter q
        where q.user_id > h.user_id
        order by q.user_id limit 1
      ) next
      where h.n < v_limit and p_user_id is null
    )
    select h.user_id, d.error_code, min(d.error_message), count(*),
      sum(count(*)) over (partition by h.user_id) = 1000, min(d.message_id)
    from holder h
    cross join lateral (
      select q.error_code, q.error_message, q.message_id
      from gmail_sync._dead_letter q
      where q.user_id = h.user_id
      order by q.user_id limit 1000
    ) d
    where p_user_id is null or h.user_id = p_user_id
    group by h.user_id, d.error_code
    order by h.user_id, d.error_code;
end;
$$;

comment on function gmail_sync.list_dead_letters(integer, text, text) is
'Messages that were given up, by user and error code, in pages of users.';

revoke all on function gmail_sync.list_dead_letters(integer, text, text) from public;
grant execute on function gmail_sync.list_dead_letters(integer, text, text)
  to gmail_sync_service, gmail_sync_dba;
