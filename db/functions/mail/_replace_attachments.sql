-- Stores the attachment lists of messages, arguments as store_messages, in place of those that the
-- messages named in p_stored may have.

create or replace function gmail_sync._replace_attachments(
  p_user_id text, p_messages jsonb, p_stored text[]
)
returns void
language plpgsql
volatile
as $$
declare
  v_message_id text;
begin
  -- One by one, as store_messages takes them out of the queue.
  foreach v_message_id in array p_stored loop
    delete from gmail_sync.attachment
    where user_id = p_user_id
      and message_id = v_message_id;
  end loop;

  insert into gmail_sync.attachment
    (user_id, message_id, part_id, filename, mime_type, size, content_id, inline)
  select p_user_id, m.message ->> 'message_id',
    a.part_id, a.filename, a.mime_type, a.size, a.content_id, a.inline
  from jsonb_array_elements(p_messages) as m (message)
  cross join lateral jsonb_to_recordset(m.message -> 'attachments') as a (
    part_id text, filename text, mime_type text, size bigint, content_id text, inline boolean
  );
end;
$$;

comment on function gmail_sync._replace_attachments(text, jsonb, text[]) is
'Replace the attachment lists of messages.';

revoke all on function gmail_sync._replace_attachments(text, jsonb, text[]) from public;
