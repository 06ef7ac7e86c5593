-- The counts that health reports. Each is exact up to 3,000 and an estimate beyond, so that
-- health costs the same in any installation. Old statistics may say that a table is nearly empty,
-- or that a condition holds for all of it. Without sorts, the first entries of an index are read
-- all the same.

create or replace function gmail_sync._bounded_counts()
returns table (name text, number bigint, is_estimate boolean)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_sort = off
as $$
  select c.name,
    case when c.read <= 3000 then c.number else greatest(3000, round(c.estimate, -3)) end::bigint,
    c.read > 3000
  from (
    select 'total_users', count(*), count(*),
      gmail_sync._estimated_entries('gmail_sync.account_pkey')
    from (select from gmail_sync.account order by user_id limit 3001) t
    union all
    select 'active_syncs', count(*), count(*),
      gmail_sync._estimated_entries('gmail_sync.runs_of_workers')
    from (
      select from gmail_sync.user_sync_status
      where is_syncing and claimed_at is not null
      order by claimed_by limit 3001
    ) t
    union all
    select 'waiting', count(*), count(*),
      gmail_sync._estimated_entries('gmail_sync.runs_waiting_for_a_worker')
    from (
      select from gmail_sync.user_sync_status
      where is_syncing and claimed_at is null
      order by not_before limit 3001
    ) t
    union all
    -- As if syncs had ended all day as often as the last ones.
    select 'recent_completed_syncs', count(*), count(*) filter (where outcome = 'succeeded'),
      count(*) filter (where outcome = 'succeeded') * extract(epoch from interval '1 day')
        / greatest(1, extract(epoch from now() - min(finished_at)))
    from (
      select outcome, finished_at from gmail_sync.user_sync_status
      -- now(), because an index condition must not be volatile, as clock_timestamp() is.
      where not is_syncing and finished_at between now() - interval '1 day' and now()
      order by finished_at desc limit 3001
    ) t
    union all
    select 'dead_letters', count(*), count(*),
      gmail_sync._estimated_entries('gmail_sync.messages_given_up')
    from (select from gmail_sync._dead_letter order by user_id limit 3001) t
    union all
    select 'accounts_to_reconnect', count(*), count(*),
      gmail_sync._estimated_entries('gmail_sync.accounts_to_reconnect')
    from (
      select from gmail_sync.account
      where status in ('reauth_required', 'suspended')
      order by user_id limit 3001
    ) t
    union all
    -- Watches without an end are those that Gmail refused to renew. No index has only these, so
    -- the estimate is the least that it can be.
    select 'watches_ending', count(*), count(*), 3000
    from (
      select from gmail_sync.account
      where status = 'connected' and watched_at is not null
        and coalesce(watch_expires_at, '-infinity') < now() + interval '1 day'
      order by coalesce(watch_expires_at, '-infinity') limit 3001
    ) t
  ) as c (name, read, number, estimate);
$$;

comment on function gmail_sync._bounded_counts() is
'The counts that health reports: exact up to 3,000, an estimate beyond.';

revoke all on function gmail_sync._bounded_counts() from public;
