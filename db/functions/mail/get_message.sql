-- One message with its attachments as an array of objects: 0 or 1 row.

create or replace function gmail_sync.get_message(p_user_id text, p_message_id text)
returns table (
  message_id text,
  thread_id text,
  internal_date timestamptz,
  label_ids text[],
  subject text,
  sender text,
  recipients text,
  cc text,
  bcc text,
  reply_to text,
  sent_at timestamptz,
  rfc822_message_id text,
  headers jsonb,
  snippet text,
  body_text text,
  body_html text,
  size_estimate bigint,
  defects text[],
  attachments jsonb
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select m.message_id, m.thread_id, m.internal_date, m.label_ids, m.subject, m.sender,
      m.recipients, m.cc, m.bcc, m.reply_to, m.sent_at, m.rfc822_message_id, m.headers, m.snippet,
      m.body_text, m.body_html, m.size_estimate, m.defects,
      gmail_sync._attachment_list(m.user_id, m.message_id)
    from gmail_sync.messages m
    where m.user_id = p_user_id
      and m.message_id = p_message_id;
end;
$$;

comment on function gmail_sync.get_message(text, text) is
'One message with its attachment list: 0 or 1 row.';

revoke all on function gmail_sync.get_message(text, text) from public;
grant execute on function gmail_sync.get_message(text, text) to gmail_sync_service;
