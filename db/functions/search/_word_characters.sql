-- The characters of words, as ranges for a regular expression with ICU's rules. They are letters,
-- digits, vowel signs of Indic and Tibetan scripts and of kana, and what is written without blanks.

create or replace function gmail_sync._word_characters()
returns text
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select E'[:alnum:]\u0900-\u0963\u0966-\u0dff\u0f71-\u0fbc\u3099\u309a'
    || gmail_sync._unspaced_characters();
$$;

comment on function gmail_sync._word_characters() is
'The characters of words, as ranges for a regular expression.';

revoke all on function gmail_sync._word_characters() from public;
