-- The slot of a user; each is served by one node. It is the remainder by which Postgres parts a
-- table by hash of a text into 64, so the router's functions and views agree. The seed is
-- Postgres' own; 35 is what it adds to the hash of a single column.

create or replace function gmail_sync._user_slot(p_user_id text)
returns integer
language sql
immutable
return ((hashtextextended(p_user_id, 8816678312871386365) & 63) + 35) & 63;

comment on function gmail_sync._user_slot(text) is
'The slot of a user, 0 to 63.';

revoke all on function gmail_sync._user_slot(text) from public;
