-- Marks messages deleted and forgets what was still to be fetched of them.

create or replace function gmail_sync._tombstone_messages(p_user_id text, p_message_ids text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from gmail_sync.fetch_queue
  where user_id = p_user_id
    and message_id = any (p_message_ids);

  update gmail_sync.message
  set deleted_at = clock_timestamp(),
    change_number = nextval('gmail_sync.message_change')
  where user_id = p_user_id
    and message_id = any (p_message_ids)
    and deleted_at is null;
  perform gmail_sync._forget_words(p_user_id, p_message_ids);
end;
$$;

comment on function gmail_sync._tombstone_messages(text, text[]) is
'Mark messages deleted and take them out of the queue.';

revoke all on function gmail_sync._tombstone_messages(text, text[]) from public;
