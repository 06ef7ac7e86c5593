-- A page of a thread, newest first, without deleted mail. Texts are cut after 20,000 characters,
-- body_html too, which is for analysis, not for display. get_message returns whole ones. p_upto is
-- the message_id of the page's first message; with an id of another thread there is no row. Raises
-- SY003 when p_limit is not between 1 and 100.

create or replace function gmail_sync.list_thread(
  p_user_id text, p_thread_id text, p_limit integer default 50, p_upto text default null
)
returns table (
  message_id text,
  internal_date timestamptz,
  label_ids text[],
  subject text,
  sender text,
  recipients text,
  cc text,
  snippet text,
  body_text text,
  body_html text,
  is_cut boolean,
  attachments jsonb
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select m.message_id, m.internal_date, m.label_ids, m.subject, m.sender, m.recipients, m.cc,
    m.snippet, left(m.body_text, 20000), left(m.body_html, 20000),
    coalesce(length(m.body_text) > 20000, false),
    gmail_sync._attachment_list(m.user_id, m.message_id)
  from gmail_sync.messages m
  where m.user_id = p_user_id
    and m.thread_id = p_thread_id
    and (p_upto is null or (m.internal_date, m.message_id) <= (
      select u.internal_date, u.message_id
      from gmail_sync.message u
      where u.user_id = p_user_id
        and u.message_id = p_upto
        and u.thread_id = p_thread_id
    ))
  order by m.internal_date desc, m.message_id desc
  limit gmail_sync._check_page_size(p_limit, 100);
$$;

comment on function gmail_sync.list_thread(text, text, integer, text) is
'A page of a thread, newest first, with texts cut after 20,000 characters.';

revoke all on function gmail_sync.list_thread(text, text, integer, text) from public;
grant execute on function gmail_sync.list_thread(text, text, integer, text)
  to gmail_sync_service;
