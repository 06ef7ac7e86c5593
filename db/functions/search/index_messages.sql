-- Indexes the words of up to p_limit stored messages for the search. Returns their number; as many
-- as p_limit mean that there may be more. Concurrent calls index different messages. Raises SY003
-- when p_limit is not between 1 and 1,000.
--
-- store_messages does not do this, because it is most of the work of storing a message, and no
-- caller waits for it. Until it is done, search_messages reads such messages itself.

create or replace function gmail_sync.index_messages(p_limit integer default 20)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_found record;
  v_indexed integer := 0;
begin
  perform gmail_sync._queue_lost_words();
  for v_found in
    select q.ctid as place, q.user_id, q.message_id
    from gmail_sync.index_queue q
    -- By the key, whose scan skips what was deleted.
    order by q.user_id desc, q.internal_date desc, q.message_id desc
    limit gmail_sync._check_page_size(p_limit, 1000)
    for update skip locked
  loop
    delete from gmail_sync.index_queue q where q.ctid = v_found.place;
    delete from gmail_sync.message_words w
    where w.user_id = v_found.user_id
      and w.message_id = v_found.message_id;
    -- A statement of its own sees the message as it is now that its place in the queue is locked.
    insert into gmail_sync.message_words (user_id, message_id, internal_date, words)
    select m.user_id, m.message_id, m.internal_date,
      gmail_sync._message_vector(m.user_id, m.message_id)
    from gmail_sync.message m
    where m.user_id = v_found.user_id
      and m.message_id = v_found.message_id
      and m.deleted_at is null;
    v_indexed := v_indexed + 1;
  end loop;
  return v_indexed;
end;
$$;

comment on function gmail_sync.index_messages(integer) is
'Index the words of stored messages for the search; returns their number.';

revoke all on function gmail_sync.index_messages(integer) from public;
grant execute on function gmail_sync.index_messages(integer)
  to gmail_sync_service, gmail_sync_dba;
