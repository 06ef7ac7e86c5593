-- What a list of messages shows of those that exist, up to webhook_content_limit bytes in all. The
-- rest is left out, and messages_left_out says how many. A header is cut after 998 characters,
-- which is the longest line of mail.

create or replace function gmail_sync._webhook_content(p_user_id text, p_message_ids jsonb)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  with message as (
    select g.n, jsonb_build_object(
      'message_id', m.message_id,
      'thread_id', m.thread_id,
      'internal_date', gmail_sync._iso_time(m.internal_date),
      'label_ids', m.label_ids,
      'subject', left(m.subject, 998),
      'sender', left(m.sender, 998),
      'recipients', left(m.recipients, 998),
      'snippet', left(m.snippet, 998),
      'size_estimate', m.size_estimate
    ) as content
    from jsonb_array_elements_text(p_message_ids) with ordinality as g (message_id, n)
    join gmail_sync.messages m on m.user_id = p_user_id and m.message_id = g.message_id
  ),
  measured as (
    select m.n, m.content, sum(octet_length(m.content::text)) over (order by m.n) as bytes
    from message m
  )
  select jsonb_build_object(
    'messages', coalesce(
      jsonb_agg(m.content order by m.n) filter (where m.bytes <= s.webhook_content_limit), '[]'
    ),
    'messages_left_out', count(*) filter (where m.bytes > s.webhook_content_limit)
  )
  from gmail_sync.settings s
  left join measured m on true;
$$;

comment on function gmail_sync._webhook_content(text, jsonb) is
'What a list of messages shows of those that exist, up to a number of bytes.';

revoke all on function gmail_sync._webhook_content(text, jsonb) from public;
