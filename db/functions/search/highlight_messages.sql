-- Where the words of a search are in messages that list_messages found: subject, sender and an
-- excerpt of the body. Each found word is between U+FDD0 and U+FDD1, which the texts themselves
-- never contain. Only the first 5,000 characters of a body are read, because no index supports
-- this. If they contain none of the words, excerpt is NULL.

create or replace function gmail_sync.highlight_messages(
  p_user_id text, p_message_ids text[], p_query text
)
returns table (message_id text, subject text, sender text, excerpt text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select m.message_id,
    gmail_sync._headline(left(m.subject, 300), q.query, 'HighlightAll=true'),
    gmail_sync._headline(left(m.sender, 300), q.query, 'HighlightAll=true'),
    nullif(b.headline, translate(b.headline, E'\ufdd0', ''))
  -- Any of the words, each once: for all of many that repeat ts_headline would take minutes.
  -- querytree leaves out what a match must not have.
  from (
    select coalesce(string_agg(distinct lexeme[1], ' | '), '')::tsquery as query
    from regexp_matches(
      querytree(websearch_to_tsquery('simple', left(p_query, 200))),
      $re$'(?:[^'\\]|''|\\.)*'$re$, 'g'
    ) lexeme
  ) q
  cross join gmail_sync.messages m
  cross join lateral (
    select gmail_sync._headline(
      coalesce(
        left(m.body_text, 5000),
        regexp_replace(left(m.body_html, 20000), '<[^>]*>|&#?\w+;', ' ', 'g')
      ),
      q.query,
      'MaxFragments=1, MaxWords=30, MinWords=10, ShortWord=0'
    ) as headline
  ) b
  where m.user_id = p_user_id
    and m.message_id = any (p_message_ids);
$$;

comment on function gmail_sync.highlight_messages(text, text[], text) is
'Where the words of a search are in messages: each between U+FDD0 and U+FDD1.';

revoke all on function gmail_sync.highlight_messages(text, text[], text) from public;
grant execute on function gmail_sync.highlight_messages(text, text[], text)
  to gmail_sync_service;
