-- Whether the account's watch must be renewed: settings.watch_interval after the last renewal, or
-- if these credentials have none. Raises SY001 when the lease is gone.

create or replace function gmail_sync.watch_is_due(p_task_id text)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.watched_at is null
    or a.watch_expires_at is null
    or not gmail_sync._is_within(
      a.watched_at, (select watch_interval from gmail_sync.settings), interval '0'
    )
  from gmail_sync.account a
  where a.user_id = gmail_sync._lease_owner(p_task_id);
$$;

comment on function gmail_sync.watch_is_due(text) is
'Whether the account''s watch must be renewed; SY001 when the lease is gone.';

revoke all on function gmail_sync.watch_is_due(text) from public;
grant execute on function gmail_sync.watch_is_due(text) to gmail_sync_service;
