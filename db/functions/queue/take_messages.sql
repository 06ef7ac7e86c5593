-- Takes up to p_limit due messages from the queue, newest first, as a batch. The messages of an
-- ended run's batch are charged an attempt. So mail that kills its worker is found: messages tried
-- before come last, in batches halved with each attempt. After max_message_attempts they are
-- dead-lettered. attempts includes this one.
--
-- known: only the labels can have changed. The others are to be fetched whole, as content_mode
-- says, which is the account's current mode. Those with a thread_id cost less together: one
-- threads.get brings them. Such messages come with the newest of their thread.
--
-- A batch is limited to what the quota's caps allow at once. Messages of known size are limited to
-- p_bytes together, but at least one is taken. No row means that nothing is due. Raises SY001 when
-- the lease is gone.
--
-- It does not wait for the disk. The WAL is written in order, so a durable store_messages implies
-- that all before it is durable. A server that crashes forgets at most that some unstored messages
-- were taken; they are taken and fetched once more.

create or replace function gmail_sync.take_messages(
  p_task_id text, p_limit integer default 25, p_bytes bigint default 8388608
)
returns table (
  message_id text, attempts integer, known boolean, content_mode text, thread_id text
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_max_calls integer := gmail_sync._max_calls(v_user_id, 'messages.get');
  v_pays_from integer := gmail_sync._thread_pays_from(v_user_id);
  v_in_flight text[] := gmail_sync._messages_in_flight(v_user_id, p_task_id);
  v_attempts integer;
  v_message_ids text[];
  v_thread_ids text[];
  v_known boolean[];
begin
  perform set_config('synchronous_commit', 'off', true);
  perform gmail_sync._charge_lost_batches(p_task_id, v_user_id);
  perform gmail_sync._dead_letter_exhausted(p_task_id, v_user_id);
  perform gmail_sync._plan_run(p_task_id, v_user_id);

  select q.attempts into v_attempts
  from gmail_sync.fetch_queue q
  where q.user_id = v_user_id
    and not q.dead
    and (q.not_before <= clock_timestamp() or gmail_sync._wait_is_over(q))
    and q.message_id <> all (v_in_flight)
  order by q.attempts, q.position
  limit 1;
  if not found then
    return;
  end if;

  select array_agg(b.message_id), array_agg(b.thread_id) into v_message_ids, v_thread_ids
  from gmail_sync._next_batch(
    v_user_id, v_attempts, v_in_flight,
    greatest(1, least(p_limit, v_max_calls) >> v_attempts), v_pays_from
  ) b;
  select array_agg(t.message_id order by t.n), array_agg(t.known order by t.n)
  into v_message_ids, v_known
  from (
    select w.message_id, w.n, w.known,
      sum(w.size) filter (where not w.known) over (order by w.n) as bytes
    from gmail_sync._fetch_state(v_user_id, v_message_ids) w
  ) t
  where t.n = 1 or coalesce(t.bytes, 0) <= p_bytes;

  insert into gmail_sync.fetch_batch (user_id, task_id, message_ids)
  values (v_user_id, p_task_id, v_message_ids);
  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_message_ids,
    array_fill('pending'::text, array[cardinality(v_message_ids)]), 'fetching', false
  );
  return query
    select t.message_id, v_attempts + 1, t.known,
      (select a.content_mode from gmail_sync.account a where a.user_id = v_user_id),
      case
        when count(*) over (partition by t.known, t.thread_id) >= v_pays_from and not t.known
          then t.thread_id
      end
    from unnest(v_message_ids, v_known, v_thread_ids[:cardinality(v_message_ids)])
      with ordinality as t (message_id, known, thread_id, n)
    order by t.n;
end;
$$;

comment on function gmail_sync.take_messages(text, integer, bigint) is
'Hand out due messages of the queue as a batch, newest first.';

revoke all on function gmail_sync.take_messages(text, integer, bigint) from public;
grant execute on function gmail_sync.take_messages(text, integer, bigint) to gmail_sync_service;
