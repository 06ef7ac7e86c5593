-- Takes messages out of the batches that the user's run fetches.

create or replace function gmail_sync._end_fetch(p_user_id text, p_message_ids text[])
returns void
language plpgsql
volatile
as $$
begin
  delete from gmail_sync.fetch_batch b
  where b.user_id = p_user_id
    and b.message_ids <@ p_message_ids;

  update gmail_sync.fetch_batch b
  set message_ids = array(
    select m.id from unnest(b.message_ids) as m (id) where m.id <> all (p_message_ids)
  )
  where b.user_id = p_user_id
    and b.message_ids && p_message_ids;
end;
$$;

comment on function gmail_sync._end_fetch(text, text[]) is
'Take messages out of the batches that the user''s run fetches.';

revoke all on function gmail_sync._end_fetch(text, text[]) from public;
