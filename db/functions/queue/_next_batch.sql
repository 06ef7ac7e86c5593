-- The next p_limit due messages with so many attempts, newest first, without those of p_in_flight.
-- Where a thread has p_pays_from due messages, all of them follow the newest, and thread_id is the
-- thread. A thread that has no room left begins the next batch. One larger than p_limit is taken in
-- parts. p_pays_from is NULL where no thread pays.

create or replace function gmail_sync._next_batch(
  p_user_id text, p_attempts integer, p_in_flight text[], p_limit integer, p_pays_from integer
)
returns table (message_id text, thread_id text)
language plpgsql
stable
as $$
begin
  return query
    with next as materialized (
      select q.message_id, q.thread_id, q.position
      from gmail_sync.fetch_queue q
      where q.user_id = p_user_id
        and not q.dead
        and (q.not_before <= clock_timestamp() or gmail_sync._wait_is_over(q))
        and q.message_id <> all (p_in_flight)
        and q.attempts = p_attempts
      order by q.position
      limit p_limit
    ),
    thread as materialized (
      select t.thread_id, t.position, d.message_ids
      from (
        select n.thread_id, min(n.position) as position
        from next n
        where p_pays_from is not null
          and p_attempts = 0
        group by n.thread_id
      ) t
      cross join lateral (
        select gmail_sync._due_of_thread(p_user_id, t.thread_id, p_in_flight, p_limit)
      ) d (message_ids)
      where cardinality(d.message_ids) >= p_pays_from
    ),
    together as (
      select t.position, t.thread_id, t.message_ids
      from thread t
      union all
      select n.position, null, array[n.message_id]
      from next n
      where not exists (select from thread t where t.thread_id = n.thread_id)
    )
    select m.id, s.thread_id
    from (
      select g.*, sum(cardinality(g.message_ids)) over (order by g.position) as messages,
        row_number() over (order by g.position) as place
      from together g
    ) s
    cross join unnest(s.message_ids) with ordinality as m (id, n)
    where s.messages <= p_limit
      or s.place = 1
    order by s.position, m.n;
end;
$$;

comment on function gmail_sync._next_batch(text, integer, text[], integer, integer) is
'The next due messages, newest first, with the threads that cost less together.';

revoke all on function gmail_sync._next_batch(text, integer, text[], integer, integer)
  from public;
