-- Whether a word, or a run of characters, begins in a script that is written without blanks. Then
-- the borders of words mean nothing.

create or replace function gmail_sync._is_unspaced(p_word text)
returns boolean
language sql
immutable
return p_word ~ ('^[' || gmail_sync._unspaced_characters() || ']');

comment on function gmail_sync._is_unspaced(text) is
'Whether a word begins in a script that is written without blanks.';

revoke all on function gmail_sync._is_unspaced(text) from public;
