-- Since when Gmail is known to push to this installation, or NULL. Only a worker knows whether
-- there is a topic, so the watches of accounts say it.

create or replace function gmail_sync._watches_known_since()
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select min(watched_at)
  from gmail_sync.account
  where watched_at between
    now() - 2 * (select watch_interval from gmail_sync.settings) and now();
$$;

comment on function gmail_sync._watches_known_since() is
'Since when Gmail is known to push, or NULL.';

revoke all on function gmail_sync._watches_known_since() from public;
