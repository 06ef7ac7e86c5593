-- Whether an error means that a node cannot be asked now. pgbouncer reports 08P01, PL/Proxy XX000,
-- a server that shuts down or starts 57P01 to 57P03.

create function gmail_sync_router.is_outage(p_sqlstate text)
returns boolean
language sql
immutable
as $$
  select p_sqlstate ~ '^08' or p_sqlstate in ('XX000', '57P01', '57P02', '57P03');
$$;
