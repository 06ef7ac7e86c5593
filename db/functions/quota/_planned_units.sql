-- Quota units that p_messages more messages of a user are expected to cost; NULL without prices.
-- They cost what a sample of the queue does: 3 messages at each of 32 places of it. The cost of a
-- message is its part of its thread's call, where that pays. So the work is the same for a queue of
-- any length. With no queue each message is expected to be fetched singly.

create or replace function gmail_sync._planned_units(p_user_id text, p_messages bigint)
returns bigint
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_pays_from integer := gmail_sync._thread_pays_from(p_user_id);
begin
  return (
    with price as (
      select
        max(c.units) filter (
          where c.method = 'messages.get' and c.format = a.content_mode
        ) as message,
        max(c.units) filter (where c.method = 'threads.get') as thread
      from gmail_sync.account a
      join gmail_sync.quota_cost c on c.profile = a.quota_profile
      where a.user_id = p_user_id
    ),
    ends as (
      select (
          select q.position from gmail_sync.fetch_queue q
          where q.user_id = p_user_id and not q.dead and q.attempts = 0
          order by q.attempts, q.position limit 1
        ) as first,
        (
          select q.position from gmail_sync.fetch_queue q
          where q.user_id = p_user_id and not q.dead and q.attempts = 0
          order by q.attempts desc, q.position desc limit 1
        ) as last
      where v_pays_from is not null
    ),
    sample as (
      select q.thread_id
      from ends e
      cross join generate_series(0, 31) i
      cross join lateral (
        select s.thread_id from gmail_sync.fetch_queue s
        where s.user_id = p_user_id
          and not s.dead
          and s.attempts = 0
          and s.position >= e.first + (e.last - e.first) * i / 32
        order by s.attempts, s.position limit 3
      ) q
    ),
    part as (
      select cardinality(gmail_sync._due_of_thread(p_user_id, s.thread_id, '{}', 12)) as messages
      from sample s
    )
    select ceil(p_messages * coalesce((
      select avg(case
        when t.messages >= v_pays_from then p.thread::numeric / t.messages
        else p.message
      end) from part t
    ), p.message))::bigint
    from price p
  );
end;
$$;

comment on function gmail_sync._planned_units(text, bigint) is
'Quota units that so many more messages of a user are expected to cost, by a sample.';

revoke all on function gmail_sync._planned_units(text, bigint) from public;
