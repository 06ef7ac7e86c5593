-- The queued run that is next to be claimed, locked together with its user's mail; no row: none is
-- due. People go before push and resume, those before schedules, which age into the second rank:
-- so no backlog keeps a person waiting, and none is left behind by pushes.
-- A user whose mail somebody else has locked is passed over, for that one may go on to wait for the
-- run.

create or replace function gmail_sync._lock_next_due_run()
returns setof gmail_sync.user_sync_status
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_run gmail_sync.user_sync_status;
  v_busy text[] := '{}';
begin
  loop
    select * into v_run
    from gmail_sync.user_sync_status q
    where q.is_syncing
      and q.claimed_at is null
      and q.not_before <= clock_timestamp()
      and q.user_id <> all (v_busy)
    order by
      case
        when q.source in ('api', 'sql') then 0
        when q.source in ('push', 'resume') then 1
        when q.started_at < clock_timestamp() - interval '5 min' then 1
        else 2
      end,
      q.started_at
    limit 1
    for update skip locked;
    if not found then
      return;
    end if;
    if gmail_sync._try_lock_user_mail(v_run.user_id) then
      return next v_run;
      return;
    end if;
    v_busy := v_busy || v_run.user_id::text;
  end loop;
end;
$$;

comment on function gmail_sync._lock_next_due_run() is
'The queued run that is next to be claimed, locked: 0 or 1 row.';

revoke all on function gmail_sync._lock_next_due_run() from public;
