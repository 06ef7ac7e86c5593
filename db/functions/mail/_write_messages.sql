-- Writes messages with their attachments, queues them for the index and counts them as stored mail;
-- arguments as store_messages. Returns the count of the run that each belongs into.

create or replace function gmail_sync._write_messages(
  p_user_id gmail_sync.user_key, p_messages jsonb, p_raws bytea[]
)
returns table (message_ids text[], buckets text[])
language plpgsql
volatile
as $$
declare
  v_known text[];
  v_added bigint;
  v_added_raw bigint;
begin
  select coalesce(array_agg(u.stored_id), '{}'), coalesce(array_agg(u.bucket), '{}'),
    sum(u.added), sum(u.added_raw)
  into message_ids, buckets, v_added, v_added_raw
  from gmail_sync._upsert_messages(p_user_id, p_messages, p_raws) u;
  perform gmail_sync._count_mail(p_user_id, v_added, v_added_raw);
  v_known := array(
    select s.id from unnest(message_ids, buckets) as s (id, bucket) where s.bucket <> 'new'
  );

  insert into gmail_sync.index_queue (user_id, internal_date, message_id)
  select p_user_id, gmail_sync._from_epoch_ms((m ->> 'internal_date')::numeric),
    m ->> 'message_id'
  from jsonb_array_elements(p_messages) m
  where m ->> 'message_id' <> all (v_known)
  -- It waits already if somebody has deleted the message by hand.
  on conflict do nothing;
  perform gmail_sync._reindex_messages(p_user_id, v_known);
  perform gmail_sync._replace_attachments(p_user_id, p_messages, v_known);
  return next;
end;
$$;

comment on function gmail_sync._write_messages(gmail_sync.user_key, jsonb, bytea[]) is
'Write messages with their attachments, queue them for the index and count them.';

revoke all on function gmail_sync._write_messages(gmail_sync.user_key, jsonb, bytea[]) from public;
