-- Hands out up to p_limit due messages of the queue, newest first, and charges each an
-- attempt, so that mail which kills the worker is found: what was tried before comes last
-- and in batches halved with each attempt, and is given up after max_message_attempts.
-- known is true where only the labels can have changed. No row: nothing is due.
-- Raises SY001 when the lease is gone.

create or replace function gmail_sync.take_messages(p_task_id text, p_limit integer default 25)
returns table (message_id text, attempts integer, known boolean)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_attempts integer;
  v_message_ids text[];
begin
  perform gmail_sync._give_up(p_task_id, v_user_id);

  select q.attempts into v_attempts
  from gmail_sync.fetch_queue q
  where q.user_id = v_user_id
    and not q.dead
    and q.not_before <= clock_timestamp()
    and q.taken_by is distinct from p_task_id
  order by q.attempts, q.position
  limit 1;
  if not found then
    return;
  end if;

  v_message_ids := array(
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = v_user_id
      and not q.dead
      and q.not_before <= clock_timestamp()
      and q.taken_by is distinct from p_task_id
      and q.attempts = v_attempts
    order by q.position
    limit greatest(1, p_limit >> v_attempts)
  );
  update gmail_sync.fetch_queue q
  set attempts = q.attempts + 1, taken_by = p_task_id
  where q.user_id = v_user_id
    and q.message_id = any (v_message_ids);

  perform gmail_sync._count(
    p_task_id, v_user_id, v_message_ids,
    array_fill('pending'::text, array[cardinality(v_message_ids)]), 'fetching', false
  );
  return query
    select t.message_id, v_attempts + 1,
      m.message_id is not null and (a.content_mode = 'full' or m.raw is not null)
    from unnest(v_message_ids) with ordinality as t (message_id, n)
    join gmail_sync.account a on a.user_id = v_user_id
    left join gmail_sync.message m
      on m.user_id = v_user_id
      and m.message_id = t.message_id
      and m.message_id = any (v_message_ids)
      and m.deleted_at is null
    order by t.n;
end;
$$;

comment on function gmail_sync.take_messages(text, integer) is
'Hand out due messages of the queue, newest first, and charge each an attempt.';

revoke all on function gmail_sync.take_messages(text, integer) from public;
grant execute on function gmail_sync.take_messages(text, integer) to gmail_sync_service;
