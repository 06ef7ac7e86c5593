-- Up to p_limit due messages of a thread that were not tried before, newest first, without those of
-- p_in_flight.

create or replace function gmail_sync._due_of_thread(
  p_user_id text, p_thread_id text, p_in_flight text[], p_limit integer
)
returns text[]
language plpgsql
stable
as $$
begin
  return array(
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = p_user_id
      -- Not an equation, with which other indexes have the order, too. A plan made while the table
      -- was empty would read the whole queue.
      and q.thread_id between p_thread_id and p_thread_id
      and not q.dead
      and (q.not_before <= clock_timestamp() or gmail_sync._wait_is_over(q))
      and q.message_id <> all (p_in_flight)
      and q.attempts = 0
    order by q.thread_id, q.position
    limit p_limit
  );
end;
$$;

comment on function gmail_sync._due_of_thread(text, text, text[], integer) is
'Due messages of a thread that were not tried before, newest first.';

revoke all on function gmail_sync._due_of_thread(text, text, text[], integer) from public;
