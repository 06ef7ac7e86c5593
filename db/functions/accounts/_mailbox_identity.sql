-- The identity of a mailbox: two addresses with the same identity belong to one mailbox. Case never
-- matters. At gmail.com and googlemail.com, neither do dots, a suffix after + and the domain: all
-- of these reach the same mailbox. The database's locale does not matter: only A to Z have a lower
-- case here. The index accounts_by_mailbox uses this function, so a change of it needs a reindex.

create or replace function gmail_sync._mailbox_identity(p_email text)
returns text
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when a.lowered ~ '^[^@]+@(gmail|googlemail)[.]com$'
      then replace(substring(a.lowered from '^[^@+]*'), '.', '') || '@gmail.com'
    else a.lowered
  end
  from (select lower(p_email collate "C") as lowered) a;
$$;

comment on function gmail_sync._mailbox_identity(text) is
'The identity of the mailbox that has an address.';

revoke all on function gmail_sync._mailbox_identity(text) from public;
