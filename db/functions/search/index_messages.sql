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
  for v_found in
    select w.user_id, w.message_id
    from gmail_sync.message_words w
    where w.words is null
    limit gmail_sync._check_page_size(p_limit, 1000)
    for update skip locked
  loop
    -- A statement of its own sees the message as it is now that its words are locked.
    update gmail_sync.message_words w
    set words = gmail_sync._message_vector(v_found.user_id, v_found.message_id)
    where w.user_id = v_found.user_id
      and w.message_id = v_found.message_id;
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
