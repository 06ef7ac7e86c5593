-- Forgets the words of deleted messages. The queue comes first: the delete waits for a call that
-- indexes the message, whose words are then there to be forgotten.

create or replace function gmail_sync._forget_words(p_user_id text, p_message_ids text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from gmail_sync.index_queue q
  using gmail_sync.message m
  where m.user_id = p_user_id
    and m.message_id = any (p_message_ids)
    and q.user_id = p_user_id
    and q.internal_date = m.internal_date
    and q.message_id = m.message_id;

  delete from gmail_sync.message_words
  where user_id = p_user_id
    and message_id = any (p_message_ids);
end;
$$;

comment on function gmail_sync._forget_words(text, text[]) is
'Forget the words of deleted messages.';

revoke all on function gmail_sync._forget_words(text, text[]) from public;
