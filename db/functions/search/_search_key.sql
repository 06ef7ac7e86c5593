-- The start of each index entry of a user. So one user's searches read none of another's entries;
-- where two users share a key, only more rows are looked at.

create or replace function gmail_sync._search_key(p_user_id text)
returns text
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select left(md5(p_user_id), 6);
$$;

comment on function gmail_sync._search_key(text) is
'The start of each index entry of a user.';

revoke all on function gmail_sync._search_key(text) from public;
