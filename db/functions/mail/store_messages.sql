-- Stores fetched messages with their attachments, removes them from the queue and counts them: new,
-- updated (labels or content changed) or unchanged.
--
-- p_messages is an array of objects named like the columns of gmail_sync.message. The column of
-- References is `references` here, internal_date is in ms since 1970, headers and attachments are
-- arrays of objects. p_raws holds the RFC 822 bytes of each, or NULL. Message ids must be distinct.
-- Raises SY001 when the lease is gone.

create or replace function gmail_sync.store_messages(
  p_task_id text, p_messages jsonb, p_raws bytea[]
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id gmail_sync.user_key := gmail_sync._fence(p_task_id)::gmail_sync.user_key;
  v_message_ids text[];
  v_message_id text;
  v_buckets text[];
  v_known text[];
  v_added bigint;
  v_added_raw bigint;
begin
  select coalesce(array_agg(u.stored_id), '{}'), coalesce(array_agg(u.bucket), '{}'),
    sum(u.added), sum(u.added_raw)
  into v_message_ids, v_buckets, v_added, v_added_raw
  from gmail_sync._upsert_messages(v_user_id, p_messages, p_raws) u;
  perform gmail_sync._count_mail(v_user_id, v_added, v_added_raw);
  v_known := array(
    select s.id from unnest(v_message_ids, v_buckets) as s (id, bucket) where s.bucket <> 'new'
  );

  -- One by one: a plan for all of them, made before the queue was analyzed, reads the user's whole
  -- queue for each batch.
  foreach v_message_id in array v_message_ids loop
    delete from gmail_sync.fetch_queue
    where user_id = v_user_id
      and message_id = v_message_id;
  end loop;
  perform gmail_sync._end_fetch(v_user_id, v_message_ids);
  insert into gmail_sync.index_queue (user_id, internal_date, message_id)
  select v_user_id, gmail_sync._from_epoch_ms((m ->> 'internal_date')::numeric),
    m ->> 'message_id'
  from jsonb_array_elements(p_messages) m
  where m ->> 'message_id' <> all (v_known)
  -- It waits already if somebody has deleted the message by hand.
  on conflict do nothing;
  perform gmail_sync._reindex_messages(v_user_id, v_known);
  perform gmail_sync._replace_attachments(v_user_id, p_messages, v_known);
  perform gmail_sync._enqueue_missing_raw(v_user_id, v_message_ids);
  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_message_ids, v_buckets, 'fetching'
  );
end;
$$;

comment on function gmail_sync.store_messages(text, jsonb, bytea[]) is
'Store fetched messages and their attachments and count them; SY001 when the lease is gone.';

revoke all on function gmail_sync.store_messages(text, jsonb, bytea[]) from public;
grant execute on function gmail_sync.store_messages(text, jsonb, bytea[]) to gmail_sync_service;
