-- The power of two below a size in bytes, at most 31: Gmail takes no mail of so many bytes.

create or replace function gmail_sync._size_class(p_bytes bigint)
returns integer
language sql
immutable
return least(length(ltrim(greatest(p_bytes, 1)::bit(64)::text, '0')) - 1, 31);

comment on function gmail_sync._size_class(bigint) is
'The power of two below a size in bytes.';

revoke all on function gmail_sync._size_class(bigint) from public;
