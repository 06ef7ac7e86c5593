-- The attachments of a message as an array of objects, empty where it has none. Postgres inlines
-- it into the query that calls it.

create or replace function gmail_sync._attachment_list(p_user_id text, p_message_id text)
returns jsonb
language sql
stable
as $$
  select coalesce((
    select jsonb_agg(to_jsonb(a) - array['user_id', 'message_id'] order by a.part_id)
    from gmail_sync.attachments a
    where a.user_id = p_user_id
      and a.message_id = p_message_id
  ), '[]');
$$;

comment on function gmail_sync._attachment_list(text, text) is
'The attachments of a message as an array of objects.';

revoke all on function gmail_sync._attachment_list(text, text) from public;
