-- A text with the given words marked: each between U+FDD0 and U+FDD1. p_words are as
-- _separate_words has them. It is not HTML, so the caller can escape the whole text first.

create or replace function gmail_sync._mark_words(p_text text, p_words text[])
returns text
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unspaced constant text := gmail_sync._unspaced_characters();
  -- Accents that are characters of their own, and soft hyphens, belong to the word.
  v_word constant text := gmail_sync._word_characters()
    || E'\u00ad\u0300-\u036f\u0591-\u05c7\u0610-\u0670';
  v_runs text;
begin
  select '(' || string_agg(w.word, '|' order by char_length(w.word) desc) || ')' into v_runs
  from unnest(p_words) w (word)
  where gmail_sync._is_unspaced(w.word);
  return (
    select string_agg(
      case
        when gmail_sync._is_unspaced(p.piece)
          then coalesce(regexp_replace(p.piece, v_runs, E'\ufdd0\\1\ufdd1', 'g'), p.piece)
        when gmail_sync._separate_words(p.piece) = any (p_words)
          then E'\ufdd0' || p.piece || E'\ufdd1'
        else p.piece
      end,
      '' order by p.n
    )
    from (
      select m.found[1] as piece, m.n
      from regexp_matches(
        translate(p_text, E'\ufdd0\ufdd1', '') collate "und-x-icu",
        '[' || v_unspaced || ']+|(?:(?![' || v_unspaced || '])[' || v_word || '])+'
          || '|[^' || v_word || ']+',
        'g'
      ) with ordinality m (found, n)
    ) p
  );
end;
$$;

comment on function gmail_sync._mark_words(text, text[]) is
'A text with the given words marked.';

revoke all on function gmail_sync._mark_words(text, text[]) from public;
