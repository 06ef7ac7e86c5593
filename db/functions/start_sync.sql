-- Asks for a sync of a user. Returns the run that does it: the running one if it is alive
-- or queued, the successor of a zombie, or a new one (created is true).
-- Never waits for a locked zombie: whoever has it locked is ending it. While the user is being
-- deleted nothing is made, as if the run had gone with the user.
-- Raises SY003 for an invalid user id or source, SY005 when a person makes new runs too often.

create or replace function gmail_sync.start_sync(
  p_user_id text, p_force_full boolean default false, p_source text default 'sql'
)
returns table (task_id text, created boolean)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._user_key(p_user_id);
  v_force_full boolean := coalesce(p_force_full, false);
  v_run gmail_sync._running_run;
  v_reaped text;
begin
  if p_source is null or p_source not in ('api', 'sql', 'schedule', 'push') then
    raise exception 'source % is not one of api, sql, schedule, push', p_source
      using errcode = 'SY003';
  end if;

  if not gmail_sync._user_stays(v_user) then
    return query select gmail_sync._new_task_id(v_user), false;
    return;
  end if;

  loop
    select * into v_run from gmail_sync._running_run r where r.user_id = v_user;

    if not found then
      if p_source = 'api' then
        -- A click that joins a run is never refused.
        perform gmail_sync._limit_rate(
          'new syncs',
          array(
            select r.started_at
            from gmail_sync.user_sync_status r
            where r.user_id = v_user
              and r.started_at > clock_timestamp() - interval '1 minute'
              and r.source = 'api'
            order by r.started_at desc
          ),
          (select max_starts_a_minute from gmail_sync.settings)
        );
      end if;
      task_id := gmail_sync._queue_run(
        v_user, gmail_sync._sync_type(v_user, v_force_full), p_source
      );
      created := task_id is not null;
      exit when created;
    elsif v_run.cause is not null then
      select z.task_id into v_reaped from gmail_sync._reap(v_user) z;
      if not found then
        -- Locked by whoever is ending it, or alive again: answer with the run itself.
        task_id := v_run.task_id;
        created := false;
        exit;
      end if;
    elsif gmail_sync._join_run(v_run, v_force_full, p_source) then
      task_id := v_run.task_id;
      created := false;
      exit;
    end if;
  end loop;

  return next;
end;
$$;

comment on function gmail_sync.start_sync(text, boolean, text) is
'Ask for a sync: the task_id of the run that does it, and whether it is new.';

revoke all on function gmail_sync.start_sync(text, boolean, text) from public;
grant execute on function gmail_sync.start_sync(text, boolean, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
