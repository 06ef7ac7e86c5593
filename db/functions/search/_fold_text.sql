-- A text in the form that the search compares: lower case, without accents, compatibility forms
-- replaced. The rules are ICU's and Unicode's, so they do not depend on the database's locale.

create or replace function gmail_sync._fold_text(p_text text)
returns text
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Most text is ASCII.
  if octet_length(p_text) = char_length(p_text) then
    return lower(p_text collate "C");
  end if;
  return translate(
    replace(replace(replace(replace(
      -- Composed again, for a syllable of Hangul is one character.
      normalize(
        regexp_replace(
          lower(normalize(p_text, nfkd) collate "und-x-icu") collate "C",
          -- Accents of Latin, Greek and Cyrillic; niqqud; harakat and tatweel; soft hyphens and
          -- other characters without a width; variation selectors.
          E'[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640'
            || E'\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u00ad\u200b-\u200f'
            || E'\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]+',
          '', 'g'
        ),
        nfc
      ),
      'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
    -- Letters that Unicode does not decompose, and apostrophes that it calls letters.
    'łøđðħıŧŋςʼʻ', 'loddhitnσ'''''
  );
end;
$$;

comment on function gmail_sync._fold_text(text) is
'A text in the form that the search compares: lower case, no accents.';

revoke all on function gmail_sync._fold_text(text) from public;
