-- Implements start_sync and start_sync_idempotent. It returns one row and not a set, which is
-- faster. For speed it also leaves SECURITY DEFINER and the pinned search_path to those two, and to
-- what they call.

create or replace function gmail_sync._start_sync(
  p_user_id text, p_force_full boolean, p_source text
)
returns gmail_sync._started
language plpgsql
volatile
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._valid_user_id(p_user_id);
  v_run gmail_sync._running_run;
  v_task_id text;
begin
  if p_source is null or p_source not in ('api', 'sql', 'schedule', 'push') then
    raise exception 'source % is not one of api, sql, schedule, push', p_source
      using errcode = 'SY003';
  end if;

  if not gmail_sync._try_lock_user_shared(v_user) then
    return row (gmail_sync._new_task_id(v_user), false);
  end if;

  loop
    -- Most users have none, and this check costs a fraction of reading the run.
    if not exists (
      select from gmail_sync.user_sync_status r where r.user_id = v_user and r.is_syncing
    ) then
      if p_source = 'api' then
        -- A click that joins a run is never refused.
        perform gmail_sync._check_rate_limit(
          'new syncs',
          array(
            select r.started_at
            from gmail_sync.user_sync_status r
            where r.user_id = v_user
              and gmail_sync._is_within(r.started_at, interval '1 minute', interval '0')
              and r.source = 'api'
            order by r.started_at desc
          ),
          (select max_starts_a_minute from gmail_sync.settings)
        );
      end if;
      v_task_id := gmail_sync._enqueue_run(
        v_user, gmail_sync._sync_type_for_account(v_user, p_force_full is true), p_source
      );
      if v_task_id is not null then
        return row (v_task_id, true);
      end if;
    end if;

    select * into v_run from gmail_sync._running_run r where r.user_id = v_user;
    continue when not found;
    if v_run.cause is null then
      exit when gmail_sync._join_run(v_run, p_force_full is true, p_source);
    else
      perform gmail_sync._reap_zombies(v_user);
      -- Another transaction is ending it, or it is alive again: return the run itself.
      exit when not found;
    end if;
  end loop;

  return row (v_run.task_id, false);
end;
$$;

comment on function gmail_sync._start_sync(text, boolean, text) is
'The run that does a sync of a user, and whether it is new.';

revoke all on function gmail_sync._start_sync(text, boolean, text) from public;
