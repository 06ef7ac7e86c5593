-- Stores when to check those accounts next that may have become due for a new reason. Something of
-- theirs has changed, or others have a watch, or the clock was set back. One pass checks at most
-- p_limit of each kind.

create or replace function gmail_sync._check_changed_schedules(p_limit integer)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with checked as (
    delete from gmail_sync.schedule
    where user_id = any (
      array(
        select user_id::text
        from gmail_sync.schedule
        where check_at = 'epoch'
        limit p_limit
        for update skip locked
      )
      || array(
        select user_id::text
        from gmail_sync.schedule
        where unwatched_since < (
          select greatest(gmail_sync._watches_known_since(), now() - watch_interval)
          from gmail_sync.settings
          where gmail_sync._watches_known_since() is not null
        )
        order by unwatched_since
        limit p_limit
        for update skip locked
      )
      || array(
        select user_id::text
        from gmail_sync.schedule
        where checked_at > now()
        order by checked_at
        limit p_limit
        for update skip locked
      )
    )
    returning user_id
  )
  insert into gmail_sync.schedule (user_id, check_at, unwatched_since)
  select d.user_id, d.check_at, d.unwatched_since
  from (select distinct user_id from checked) c
  join gmail_sync._due_syncs d on d.user_id = c.user_id
  -- The end of a run is a change.
  where not d.is_running
    and coalesce(d.check_at, d.unwatched_since) is not null;
$$;

comment on function gmail_sync._check_changed_schedules(integer) is
'Store when to check accounts next that may have become due for a new reason.';

revoke all on function gmail_sync._check_changed_schedules(integer) from public;
