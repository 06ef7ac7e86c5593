-- Starts scheduled runs of accounts that are due; _due_syncs says which. It starts at most p_limit
-- in one pass, in the order in which they became due, and returns the task_ids. Raises SY003 when
-- p_limit is not between 1 and 10,000, because each start holds a lock until the end.

create or replace function gmail_sync.enqueue_due_syncs(p_limit integer default 100)
returns setof text
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with due as (
    select user_id, due_at
    from gmail_sync._due_syncs
    where due_at < clock_timestamp()
    order by due_at
    limit gmail_sync._check_page_size(p_limit, 10000)
  )
  select s.task_id
  -- Runs of several users are started in the order of users, which avoids deadlocks.
  from (select * from due order by user_id) due
  cross join lateral gmail_sync.start_sync(due.user_id, false, 'schedule') s
  order by due.due_at;
$$;

comment on function gmail_sync.enqueue_due_syncs(integer) is
'Start the runs that are due by schedule, by messages to retry or by a watch to renew.';

revoke all on function gmail_sync.enqueue_due_syncs(integer) from public;
grant execute on function gmail_sync.enqueue_due_syncs(integer)
  to gmail_sync_service, gmail_sync_dba;
