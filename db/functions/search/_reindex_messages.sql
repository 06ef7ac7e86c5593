-- Queues known messages for index_messages once more, and forgets their words. In this order: the
-- insert waits for a call that indexes the message, whose words are then there to be forgotten.

create or replace function gmail_sync._reindex_messages(p_user_id text, p_message_ids text[])
returns void
language plpgsql
volatile
as $$
declare
  v_message_id text;
begin
  -- One by one, as store_messages takes them out of the queue.
  foreach v_message_id in array p_message_ids loop
    insert into gmail_sync.index_queue (user_id, internal_date, message_id)
    select m.user_id, m.internal_date, m.message_id
    from gmail_sync.message m
    where m.user_id = p_user_id
      and m.message_id = v_message_id
    on conflict do nothing;
    delete from gmail_sync.message_words
    where user_id = p_user_id
      and message_id = v_message_id;
  end loop;
end;
$$;

comment on function gmail_sync._reindex_messages(text, text[]) is
'Queue known messages for index_messages once more.';

revoke all on function gmail_sync._reindex_messages(text, text[]) from public;
