create or replace view gmail_sync.attachments as
select
  a.user_id::text as user_id,
  a.message_id,
  a.part_id,
  a.filename,
  a.mime_type,
  a.size,
  a.content_id,
  a.inline
from gmail_sync.attachment a
join gmail_sync.message m using (user_id, message_id)
where m.deleted_at is null;

comment on view gmail_sync.attachments is
'Attachments of the messages that exist in Gmail.';

grant select on gmail_sync.attachments to gmail_sync_app, gmail_sync_reader, gmail_sync_dba;
