-- A page of a user's threads, newest first, each by its newest message. Deleted mail is left out,
-- and so is what lies in trash or spam. message_count and label_ids are of the newest 100 messages
-- of a thread. p_before is the last message_id of the page before.
--
-- A page looks at 2,000 messages at most, so its cost does not grow with the mailbox. If is_found
-- is false in the last row, it stopped there: to go on, pass that message_id as p_before. Raises
-- SY003 when p_limit is not between 1 and 500. An unknown p_before has no thread before it.

create or replace function gmail_sync.list_threads(
  p_user_id text, p_limit integer default 50, p_before text default null
)
returns table (
  thread_id text,
  message_id text,
  internal_date timestamptz,
  label_ids text[],
  subject text,
  sender text,
  snippet text,
  message_count integer,
  is_found boolean
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_most constant integer := 2000;
  v_limit integer := gmail_sync._check_page_size(p_limit, 500);
  v_before_date timestamptz := timestamptz 'infinity';
  v_found integer;
begin
  if p_before is not null then
    v_before_date := (
      select b.internal_date
      from gmail_sync.message b
      where b.user_id = p_user_id and b.message_id = p_before
    );
  end if;

  -- The order of the index is that of the page, so the walk ends as soon as the page is full.
  return query
    select w.thread_id, w.message_id, w.internal_date, t.label_ids, w.subject, w.sender, w.snippet,
      t.message_count, true
    from (
      select m.thread_id, m.message_id, m.internal_date, m.subject, m.sender, m.snippet
      from gmail_sync.message m
      where m.user_id = p_user_id
        and (m.internal_date, m.message_id) < (v_before_date, coalesce(p_before, ''))
      order by m.internal_date desc, m.message_id desc
      limit v_most
    ) w
    cross join lateral gmail_sync._summarize_thread(p_user_id, w.thread_id) t
    where w.message_id = (
      select n.message_id
      from gmail_sync.message n
      where n.user_id = p_user_id
        and n.thread_id = w.thread_id
        and n.deleted_at is null
        and not n.label_ids && '{SPAM,TRASH}'
      order by n.internal_date desc, n.message_id desc
      limit 1
    )
    order by w.internal_date desc, w.message_id desc
    limit v_limit;
  get diagnostics v_found = row_count;

  if v_found < v_limit then
    return query
      select null::text, m.message_id, m.internal_date, null::text[], null::text, null::text,
        null::text, null::integer, false
      from gmail_sync.message m
      where m.user_id = p_user_id
        and (m.internal_date, m.message_id) < (v_before_date, coalesce(p_before, ''))
      order by m.internal_date desc, m.message_id desc
      offset v_most - 1
      limit 1;
  end if;
end;
$$;

comment on function gmail_sync.list_threads(text, integer, text) is
'A page of a user''s threads, newest first, each by its newest message.';

revoke all on function gmail_sync.list_threads(text, integer, text) from public;
grant execute on function gmail_sync.list_threads(text, integer, text) to gmail_sync_service;
