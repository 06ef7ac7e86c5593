-- Applies one page of Gmail's history (its `history` array) and moves the cursor, in one
-- transaction. It queues messages to fetch, applies label changes and tombstones deletions. The
-- cursor moves to the page's last record. With the last page, p_history_id is the history id that
-- the first page named; if it is later, the cursor moves there.
--
-- Returns whether a record is newer than the cursor was. Records that a message already contains
-- are skipped, so a replay changes nothing. A page that changes no message is a heartbeat, but not
-- progress: a run that gets only such pages stalls. Raises SY001 when the lease is gone.

create or replace function gmail_sync.apply_history(
  p_task_id text, p_history jsonb, p_history_id numeric default null
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_named text[] := array(
    select distinct e.message_id from gmail_sync._flatten_history(p_history) e
  );
  v_last numeric := (select max((r ->> 'id')::numeric) from jsonb_array_elements(p_history) r);
  v_newer boolean := exists (
    select from gmail_sync.account a
    where a.user_id = v_user_id and v_last > coalesce(a.history_id, 0)
  );
  v_message_ids text[];
  v_buckets text[];
begin
  with event as materialized (
    select * from gmail_sync._flatten_history(p_history)
  ),
  -- Found by the ids themselves: a join might visit all of the user's mail.
  stored as materialized (
    select m.message_id, m.history_id, m.label_ids, m.deleted_at
    from gmail_sync.message m
    where m.user_id = v_user_id and m.message_id = any (v_named)
  ),
  -- Within a page deletion is final: Gmail gives no id twice.
  dropped as (
    select message_id, max(record_id) as record_id
    from event
    where kind = 'messagesDeleted'
    group by message_id
  ),
  living as (
    select * from event where message_id not in (select message_id from dropped)
  ),
  unqueued as (
    delete from gmail_sync.fetch_queue q
    using dropped d
    where q.user_id = v_user_id and q.message_id = any (v_named) and q.message_id = d.message_id
    returning q.message_id
  ),
  tombstoned as (
    update gmail_sync.message m
    set deleted_at = clock_timestamp(),
      history_id = greatest(m.history_id, d.record_id),
      change_number = nextval('gmail_sync.message_change')
    from dropped d
    where m.user_id = v_user_id and m.message_id = any (v_named) and m.message_id = d.message_id
      and m.deleted_at is null
    returning m.message_id, m.raw is not null as has_raw
  ),
  uncounted as (
    update gmail_sync.mail_count c
    set messages = c.messages - t.messages, with_raw = c.with_raw - t.with_raw
    from (
      select count(*) as messages, count(*) filter (where has_raw) as with_raw from tombstoned
    ) t
    where c.user_id = v_user_id and t.messages > 0
  ),
  -- The last word on each label of a message since the message was fetched.
  word as (
    select distinct on (e.message_id, e.label_id)
      e.message_id, e.label_id, e.kind, e.record_id, s.label_ids
    from living e
    join stored s using (message_id)
    where e.label_id is not null
      and s.deleted_at is null
      and e.record_id > s.history_id
    order by e.message_id, e.label_id, e.record_id desc
  ),
  relabelled as (
    update gmail_sync.message m
    set label_ids = w.label_ids,
      history_id = w.record_id,
      change_number = nextval('gmail_sync.message_change')
    from (
      select message_id, max(record_id) as record_id,
        gmail_sync._apply_label_changes(
          label_ids,
          array_agg(label_id) filter (where kind = 'labelsAdded'),
          array_agg(label_id) filter (where kind = 'labelsRemoved')
        ) as label_ids
      from word
      group by message_id, label_ids
    ) w
    where m.user_id = v_user_id
      and m.message_id = w.message_id
      and m.message_id = any (v_named)
      and m.label_ids <> w.label_ids
    returning m.message_id
  ),
  queued as (
    insert into gmail_sync.fetch_queue (user_id, message_id, thread_id, reason)
    select v_user_id, e.message_id, max(e.thread_id), 'history'
    from living e
    left join stored s using (message_id)
    where e.kind in ('messagesAdded', 'labelsAdded')
      and (s.message_id is null or s.deleted_at is not null and e.record_id > s.history_id)
    group by e.message_id
    order by max(e.record_id) desc
    on conflict do nothing
    returning message_id
  ),
  counted as (
    select message_id, 'deleted' as bucket from tombstoned
    union all
    select message_id, 'gone' from unqueued
    where message_id not in (select message_id from tombstoned)
    union all
    select message_id, 'updated' from relabelled
    union all
    select message_id, 'pending' from queued
  )
  select coalesce(array_agg(message_id), '{}'), coalesce(array_agg(bucket), '{}')
  into v_message_ids, v_buckets
  from counted;
  perform gmail_sync._forget_words(
    v_user_id,
    array(
      select c.id from unnest(v_message_ids, v_buckets) as c (id, bucket) where c.bucket = 'deleted'
    )
  );

  update gmail_sync.account a
  set history_id = greatest(a.history_id, p_history_id, v_last)
  where a.user_id = v_user_id;

  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_message_ids, v_buckets, 'listing',
    cardinality(v_message_ids) > 0
  );
  return v_newer;
end;
$$;

comment on function gmail_sync.apply_history(text, jsonb, numeric) is
'Apply a page of history and move the cursor, atomically; SY001 when the lease is gone.';

revoke all on function gmail_sync.apply_history(text, jsonb, numeric) from public;
grant execute on function gmail_sync.apply_history(text, jsonb, numeric) to gmail_sync_service;
