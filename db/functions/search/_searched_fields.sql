-- The texts of a message that are searched, with the kinds of entries that they get (see
-- _message_vector). What comes first has the first positions.

create or replace function gmail_sync._searched_fields(p_message gmail_sync.message)
returns table (kinds text[], content text)
language sql
stable
as $$
  select f.kinds, left(f.content, 5000)
  from (
    values
      (array['.', 's'], p_message.subject),
      (array['.', 'f'], p_message.sender),
      (array['.', 't'], p_message.recipients),
      (array['.', 'c'], p_message.cc),
      (array['.', 'b'], p_message.bcc),
      (array['.'], p_message.reply_to)
  ) f (kinds, content)
  where f.content <> ''
  union all
  select array[case h.name when 'list-id' then 'l' else 'd' end], left(h.value, 5000)
  from (
    select lower(e ->> 'name' collate "C") as name, e ->> 'value' as value
    from jsonb_array_elements(p_message.headers) e
  ) h
  where h.name in ('list-id', 'delivered-to')
  union all
  select array['.', 'n'], left(string_agg(a.filename, E'\n' order by a.part_id), 5000)
  from gmail_sync.attachment a
  where a.user_id = p_message.user_id and a.message_id = p_message.message_id
  having string_agg(a.filename, '') <> ''
  union all
  select array['.'], left(b.content, 100000)
  from (values (p_message.body_text), (p_message.html_text)) b (content)
  where b.content <> '';
$$;

comment on function gmail_sync._searched_fields(gmail_sync.message) is
'The texts of a message that are searched, with the kinds of entries that they get.';

revoke all on function gmail_sync._searched_fields(gmail_sync.message) from public;
