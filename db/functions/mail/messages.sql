create or replace view gmail_sync.messages as
select
  user_id::text as user_id,
  message_id,
  thread_id,
  internal_date,
  label_ids,
  subject,
  sender,
  recipients,
  cc,
  bcc,
  reply_to,
  sent_at,
  rfc822_message_id,
  in_reply_to,
  reference_ids,
  headers,
  snippet,
  body_text,
  body_html,
  size_estimate,
  defects,
  raw,
  change_number
from gmail_sync.message
where deleted_at is null;

comment on view gmail_sync.messages is
'Messages that exist in Gmail.';

grant select on gmail_sync.messages to gmail_sync_app, gmail_sync_reader, gmail_sync_dba;
