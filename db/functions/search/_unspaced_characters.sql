-- The characters of scripts that are written without blanks, as ranges for a regular expression:
-- Thai, Lao, Burmese, Khmer, kana, bopomofo, Han, Hangul, and emoji.

create or replace function gmail_sync._unspaced_characters()
returns text
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select E'\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2600-\u27bf'
    || E'\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u3131-\u318f\u31a0-\u31ff\u3400-\u4dbf'
    || E'\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001f000-\U0001faff'
    || E'\U00020000-\U0003ffff'
    -- The emoji among the signs that are not.
    || E'\u231a\u231b\u23e9-\u23fa\u25b6\u25c0\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55';
$$;

comment on function gmail_sync._unspaced_characters() is
'Characters of scripts that are written without blanks, as ranges.';

revoke all on function gmail_sync._unspaced_characters() from public;
