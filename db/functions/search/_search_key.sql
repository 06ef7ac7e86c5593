-- The start of each index entry of a user. So one user's searches read none of another's entries.
-- If two users share a key, only more rows are looked at. It is always four characters, so no word
-- can be mistaken for a part of it.
--
-- Every entry of a label calls it, so it is one that the planner inlines.

create or replace function gmail_sync._search_key(p_user_id text)
returns text
language sql
immutable
return encode(decode(left(md5(p_user_id), 6), 'hex'), 'base64');

comment on function gmail_sync._search_key(text) is
'The start of each index entry of a user.';

revoke all on function gmail_sync._search_key(text) from public;
