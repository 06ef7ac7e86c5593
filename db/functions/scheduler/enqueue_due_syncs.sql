-- Starts scheduled runs of accounts that are due; _due_syncs says which. It starts at most p_limit
-- in one pass, in the order in which they became due, and returns the task_ids. A pass reads what
-- it starts and what has changed since the last one, however many accounts there are. While another
-- pass is under way it starts nothing. Raises SY003 when p_limit is not between 1 and 10,000,
-- because each start holds a lock until the end.

create or replace function gmail_sync.enqueue_due_syncs(p_limit integer default 1000)
returns setof text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit integer := gmail_sync._check_page_size(p_limit, 10000);
  v_due text[];
begin
  if not pg_try_advisory_xact_lock(hashtext('gmail_sync schedule'), 0) then
    return;
  end if;
  perform gmail_sync._check_changed_schedules(100000);
  v_due := gmail_sync._take_due_schedules(v_limit);

  return query
    with started as materialized (
      select due.n, s.task_id, s.created, due.user_id
      -- Runs of several users are started in the order of users, which avoids deadlocks.
      from (
        select u.user_id, u.n
        from unnest(v_due) with ordinality as u (user_id, n)
        order by u.user_id
      ) due
      cross join lateral gmail_sync.start_sync(due.user_id, false, 'schedule') s
    ),
    -- Another transaction starts or deletes it, and may yet roll back.
    not_started as (
      insert into gmail_sync.schedule (user_id, check_at)
      select started.user_id, now() + interval '1 min' from started where not started.created
    )
    select started.task_id from started order by started.n;
end;
$$;

comment on function gmail_sync.enqueue_due_syncs(integer) is
'Start the runs that are due by schedule, by messages to retry or by a watch to renew.';

revoke all on function gmail_sync.enqueue_due_syncs(integer) from public;
grant execute on function gmail_sync.enqueue_due_syncs(integer)
  to gmail_sync_service, gmail_sync_dba;
