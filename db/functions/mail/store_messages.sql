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
begin
  select w.message_ids, w.buckets into v_message_ids, v_buckets
  from gmail_sync._write_messages(v_user_id, p_messages, p_raws) w;

  -- One by one: a plan for all of them, made before the queue was analyzed, reads the user's whole
  -- queue for each batch.
  foreach v_message_id in array v_message_ids loop
    delete from gmail_sync.fetch_queue
    where user_id = v_user_id
      and message_id = v_message_id;
  end loop;
  perform gmail_sync._end_fetch(v_user_id, v_message_ids);
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
