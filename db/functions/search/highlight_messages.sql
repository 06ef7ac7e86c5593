-- Where the words of a search are in messages that search_messages found: subject, sender and an
-- excerpt of the body. Each found word is between U+FDD0 and U+FDD1, which the texts themselves
-- never contain. Only the first 10,000 characters of a body are read, because no index supports
-- this. If they contain none of the words, excerpt is NULL. Raises SY003 as search_messages does.

create or replace function gmail_sync.highlight_messages(
  p_user_id text, p_message_ids text[], p_query text
)
returns table (message_id text, subject text, sender text, excerpt text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words text[] := array(
    select distinct word
    from gmail_sync._parse_search(p_user_id, p_query, 'UTC') p
    cross join jsonb_array_elements_text(coalesce(p.part -> 'marks', '[]')) m (searched)
    cross join string_to_table(gmail_sync._separate_words(m.searched), ' ') w (word)
    where word <> ''
  );
  -- A script without blanks has no borders of words.
  v_any text := (
    select string_agg(
      case
        when gmail_sync._is_unspaced(w.word) then w.word
        else E'\\m' || w.word || E'\\M'
      end, '|'
    )
    from unnest(v_words) w (word)
  );
begin
  return query
    select m.message_id,
      gmail_sync._mark_words(left(m.subject, 300), v_words),
      gmail_sync._mark_words(left(m.sender, 300), v_words),
      case
        when b.at > 0
          then gmail_sync._mark_words(substr(b.body, greatest(b.at - 60, 1), 240), v_words)
      end
    from gmail_sync.message m
    cross join lateral (
      select t.body,
        case
          when char_length(f.folded) = char_length(t.body) then f.at
          when f.at > 0 then gmail_sync._unfold_position(t.body, f.at)
        end as at
      from (select left(concat_ws(E'\n', m.body_text, m.html_text), 10000)) t (body)
      cross join lateral (
        select r.folded, regexp_instr(r.folded collate "und-x-icu", v_any)
        from (select gmail_sync._fold_text(t.body) offset 0) r (folded)
      ) f (folded, at)
    ) b
    where m.user_id = p_user_id
      and m.message_id = any (p_message_ids)
      and m.deleted_at is null;
end;
$$;

comment on function gmail_sync.highlight_messages(text, text[], text) is
'Where the words of a search are in messages: each between U+FDD0 and U+FDD1.';

revoke all on function gmail_sync.highlight_messages(text, text[], text) from public;
grant execute on function gmail_sync.highlight_messages(text, text[], text)
  to gmail_sync_service;
