-- The part of a search that looks for a text in fields (kinds of entries, see _message_vector): a
-- word, or a phrase of several. NULL where the text has no letters and digits.

create or replace function gmail_sync._search_words(
  p_user_id text, p_kinds text[], p_text text
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text := gmail_sync._search_key(p_user_id);
  v_words text[];
  v_steps text[];
  v_phrase text;
  v_all text;
begin
  select array_agg(w.word order by w.n),
    -- A single character of a script without blanks is found at the start of a pair, too.
    array_agg(
      case when w.n > w.before then format(' <%s> ', w.n - w.before) else '' end
        || '''%s' || w.word || case
          when char_length(w.word) = 1 and gmail_sync._is_unspaced(w.word) then ''':*'
          else ''''
        end
      order by w.n
    )
  into v_words, v_steps
  from (
    select n, word, lag(n, 1, n) over (order by n) as before
    from gmail_sync._text_words(p_text)
    where not is_tail
  ) w;
  if v_words is null then
    return null;
  end if;

  select
    string_agg('(' || replace(array_to_string(v_steps, ''), '%s', v_key || k.kind) || ')', '|'),
    string_agg(
      '(' || regexp_replace(
        replace(array_to_string(v_steps, ''), '%s', v_key || k.kind), E' <\\d+> ', '&', 'g'
      ) || ')',
      '|'
    )
  into v_phrase, v_all
  from unnest(p_kinds) k (kind);
  return jsonb_build_object(
    'sql', format('w.words @@ %L::tsquery', v_phrase),
    'words', v_all,
    'words_are_exact', cardinality(v_words) = 1,
    'size', cardinality(v_words) * cardinality(p_kinds),
    'marks', jsonb_build_array(p_text)
  );
end;
$$;

comment on function gmail_sync._search_words(text, text[], text) is
'The part of a search that looks for a word or a phrase.';

revoke all on function gmail_sync._search_words(text, text[], text) from public;
