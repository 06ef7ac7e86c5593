-- A page of a user's mail, newest first, deleted mail left out. p_query is a web search
-- ("exact phrase" -not or), p_label a label id, p_before the message_id of the last message
-- of the page before. Raises SY003 when p_limit is not between 1 and 500.

create or replace function gmail_sync.list_messages(
  p_user_id text, p_query text default null, p_label text default null,
  p_limit integer default 50, p_before text default null
)
returns table (
  message_id text,
  thread_id text,
  internal_date timestamptz,
  label_ids text[],
  subject text,
  sender text,
  recipients text,
  snippet text,
  size_estimate bigint
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit integer := gmail_sync._check_page_size(p_limit, 500);
  v_query tsquery := websearch_to_tsquery('simple', p_query);
  v_before_date timestamptz;
begin
  if p_before is not null then
    select b.internal_date into v_before_date
    from gmail_sync.message b
    where b.user_id = p_user_id and b.message_id = p_before;
  end if;

  -- Two statements, for a plan that serves both could not use the index of words.
  if p_query is null then
    return query
      select m.message_id, m.thread_id, m.internal_date, m.label_ids, m.subject, m.sender,
        m.recipients, m.snippet, m.size_estimate
      from gmail_sync.messages m
      where m.user_id = p_user_id
        and (p_label is null or p_label = any (m.label_ids))
        and (p_before is null or (m.internal_date, m.message_id) < (v_before_date, p_before))
      order by m.internal_date desc, m.message_id desc
      limit v_limit;
  else
    return query
      select m.message_id, m.thread_id, m.internal_date, m.label_ids, m.subject, m.sender,
        m.recipients, m.snippet, m.size_estimate
      from gmail_sync._matching_message_ids(p_user_id, v_query) found
      -- Each by its key (limit 1). The planner cannot estimate how many are found. If it assumes
      -- few, it compares all of them with each of the user's messages.
      cross join lateral (
        select s.*
        from gmail_sync.messages s
        where s.user_id = p_user_id
          and s.message_id = found.message_id
        limit 1
      ) m
      where (p_label is null or p_label = any (m.label_ids))
        and (p_before is null or (m.internal_date, m.message_id) < (v_before_date, p_before))
      order by m.internal_date desc, m.message_id desc
      limit v_limit;
  end if;
end;
$$;

comment on function gmail_sync.list_messages(text, text, text, integer, text) is
'A page of a user''s mail, newest first, filtered by words and label.';

revoke all on function gmail_sync.list_messages(text, text, text, integer, text) from public;
grant execute on function gmail_sync.list_messages(text, text, text, integer, text)
  to gmail_sync_service;
