-- A text folded, with its words separated by single blanks. Everything but letters and digits
-- separates words. So does the border of a run of a script without blanks.

create or replace function gmail_sync._separate_words(p_text text)
returns text
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_text text := gmail_sync._fold_text(p_text);
begin
  if octet_length(v_text) = char_length(v_text) then
    return btrim(regexp_replace(v_text collate "C", '[^a-z0-9]+', ' ', 'g'));
  end if;
  v_text := regexp_replace(
    v_text collate "und-x-icu", '[^' || gmail_sync._word_characters() || ']+', ' ', 'g'
  );
  v_text := regexp_replace(
    v_text collate "C", '[' || gmail_sync._unspaced_characters() || ']+', E' \\& ', 'g'
  );
  return btrim(regexp_replace(v_text collate "C", ' +', ' ', 'g'));
end;
$$;

comment on function gmail_sync._separate_words(text) is
'A text folded, with its words separated by single blanks.';

revoke all on function gmail_sync._separate_words(text) from public;
