-- What differs among the ids after p_after and up to p_up_to; see compare_mailbox.

create or replace function gmail_sync._compare_range(
  p_user_id text, p_comparison uuid, p_after text, p_up_to text
)
returns table (message_id text, drift text)
language plpgsql
stable
as $$
begin
  -- Set operations, not joins: a table that grew a minute ago has no statistics, and the planner
  -- would compare every pair.
  return query
  with remote as materialized (
    select c.message_id
    from gmail_sync.compared_message c
    where c.user_id = p_user_id
      and c.comparison = p_comparison
      and c.message_id > p_after
      and c.message_id <= p_up_to
  ),
  stored as materialized (
    select m.message_id
    from gmail_sync.message m
    where m.user_id = p_user_id
      and m.message_id > p_after
      and m.message_id <= p_up_to
      and m.deleted_at is null
  ),
  queue as materialized (
    select q.message_id, q.dead
    from gmail_sync.fetch_queue q
    where q.user_id = p_user_id
      and q.message_id > p_after
      and q.message_id <= p_up_to
  ),
  absent as materialized (
    select r.message_id from remote r except select s.message_id from stored s
  )
  (select a.message_id, 'missing' from absent a except select q.message_id, 'missing' from queue q)
  union all
  (
    select a.message_id, 'queued' from absent a
    intersect
    select q.message_id, 'queued' from queue q where not q.dead
  )
  union all
  (
    select r.message_id, 'failed' from remote r
    intersect
    select q.message_id, 'failed' from queue q where q.dead
  )
  union all
  (select s.message_id, 'extra' from stored s except select r.message_id, 'extra' from remote r)
  order by 2, 1;
end;
$$;

comment on function gmail_sync._compare_range(text, uuid, text, text) is
'What differs in a range of ids.';

revoke all on function gmail_sync._compare_range(text, uuid, text, text) from public;
