-- The messages of a user whose words match, deleted ones too.

create or replace function gmail_sync._matching_message_ids(p_user_id text, p_query tsquery)
returns table (message_id text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select w.message_id
    from gmail_sync.message_words w
    where w.user_id = p_user_id
      and w.words @@ p_query
    union all
    -- Stored lately and not indexed yet. Each by its key (limit 1), else the plan may read the
    -- words of all other mail too.
    select w.message_id
    from gmail_sync.message_words w
    where w.user_id = p_user_id
      and w.words is null
      and (
        select gmail_sync._message_tsvector(
          m.subject, m.sender, m.recipients, m.cc, m.body_text, m.body_html
        ) @@ p_query
        from gmail_sync.message m
        where m.user_id = p_user_id
          and m.message_id = w.message_id
        limit 1
      );
end;
$$;

comment on function gmail_sync._matching_message_ids(text, tsquery) is
'The messages of a user whose words match.';

revoke all on function gmail_sync._matching_message_ids(text, tsquery) from public;
