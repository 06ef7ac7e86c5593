-- What the search knows of a message; NULL where there is none. Each entry is the user's key, a
-- sign for the kind of entry, and a word. The kinds:
--
-- "." is a word of anything that a person sees.
-- s, f, t, c, b are a word of the subject, From, To, Cc and Bcc.
-- d, l, n are a word of Delivered-To, List-ID and the names of attachments.
-- "@" is a period of time, see _period_entry.
-- "=" is a fact: attachment, the power of two of the size, half of the hash of the Message-ID.

create or replace function gmail_sync._message_vector(p_user_id text, p_message_id text)
returns tsvector
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text := gmail_sync._search_key(p_user_id);
  v_message gmail_sync.message;
  v_field record;
  v_found record;
  v_entries text[];
  v_last integer := 0;
  v_facts tsvector;
begin
  v_message := (
    select m
    from gmail_sync.message m
    where m.user_id = p_user_id and m.message_id = p_message_id
  );
  if v_message.message_id is null then
    return null;
  end if;

  select array_to_tsvector(array_agg(e.entry)) into v_facts
  from (
    select gmail_sync._period_entry(p_user_id, period, v_message.internal_date) as entry
    from unnest(array['year', 'month', 'day']) period
    union all
    select v_key || '=size' || gmail_sync._size_class(v_message.size_estimate)
    union all
    -- Some mailers leave out the brackets, or write more beside them.
    select v_key || '=id' || left(md5(coalesce(
      substring(v_message.rfc822_message_id from '<([^<>]*)>'), v_message.rfc822_message_id
    )), 16)
    union all
    select v_key || '=attachment'
    from gmail_sync.attachment a
    where a.user_id = p_user_id and a.message_id = p_message_id and not a.inline
  ) e
  where e.entry is not null;

  for v_field in select * from gmail_sync._searched_fields(v_message) loop
    select * into v_found
    from gmail_sync._field_entries(v_key, v_field.kinds, v_field.content, v_last);
    v_entries := v_entries || v_found.entries;
    -- The distance keeps a phrase from going across two fields.
    v_last := v_found.last + 10;
  end loop;
  return v_facts || coalesce(array_to_string(v_entries, ' '), '')::tsvector;
exception
  -- More than 1 MB of different words.
  when program_limit_exceeded then
    return v_facts;
end;
$$;

comment on function gmail_sync._message_vector(text, text) is
'What the search knows of a message.';

revoke all on function gmail_sync._message_vector(text, text) from public;
