-- Takes up to p_limit accounts out of the schedule that are due now, those due first at the front.
-- Of those that were to be checked and are not due, it stores when to check them next.

create or replace function gmail_sync._take_due_schedules(p_limit integer)
returns text[]
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_due text[] := array[]::text[];
  v_users text[];
begin
  loop
    v_users := array(
      select user_id
      from gmail_sync.schedule
      where check_at <= now()
        -- Those of users who live on another node stay: if their slot comes back, they are due.
        and gmail_sync._user_slot(user_id)
          <> all (array(select slot from gmail_sync.slot_elsewhere))
      order by check_at
      limit p_limit - cardinality(v_due)
      -- Their users are being deleted.
      for update skip locked
    );
    exit when v_users = '{}';

    with checked as (
      delete from gmail_sync.schedule where user_id = any (v_users) returning user_id
    ),
    idle as materialized (
      select d.*
      from (select distinct user_id from checked) c
      join gmail_sync._due_syncs d on d.user_id = c.user_id
      -- The end of a run is a change, which is checked then.
      where not d.is_running
    ),
    later as (
      insert into gmail_sync.schedule (user_id, check_at, unwatched_since)
      select user_id, check_at, unwatched_since
      from idle
      where coalesce(due_at > now(), true)
        and coalesce(check_at, unwatched_since) is not null
    )
    select v_due || coalesce(array_agg(user_id::text order by due_at), '{}') into v_due
    from idle
    where due_at <= now();
  end loop;
  return v_due;
end;
$$;

comment on function gmail_sync._take_due_schedules(integer) is
'Take accounts out of the schedule that are due now.';

revoke all on function gmail_sync._take_due_schedules(integer) from public;
