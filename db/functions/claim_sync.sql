-- Gives the next due queued run to a worker, with all it needs to know: 0 or 1 row.
-- People go before push and resume, those before schedules, which age into the second rank: so
-- no backlog keeps a person waiting, and none is left behind by pushes.
-- The user's due queue rows enter the counts as found and pending.

create or replace function gmail_sync.claim_sync(p_worker uuid)
returns table (
  task_id text,
  user_id text,
  sync_type text,
  attempt integer,
  email text,
  account_status text,
  status_reason text,
  credentials bytea,
  verified boolean,
  content_mode text,
  quota_profile text,
  claimed_at timestamptz,
  heartbeat_interval interval,
  heartbeat_timeout interval
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_run gmail_sync.user_sync_status;
  v_due text[];
begin
  update gmail_sync.user_sync_status r
  set claimed_at = clock_timestamp(),
    claimed_by = p_worker,
    updated_at = clock_timestamp(),
    waiting_until = null,
    phase = 'listing',
    done_at_claim = r.found - r.pending,
    sync_type = gmail_sync._sync_type(r.user_id, r.sync_type = 'full')
  where r.task_id = (
    select q.task_id
    from gmail_sync.user_sync_status q
    where q.is_syncing
      and q.claimed_at is null
      and q.not_before <= clock_timestamp()
    order by
      case
        when q.source in ('api', 'sql') then 0
        when q.source in ('push', 'resume') then 1
        when q.started_at < clock_timestamp() - interval '5 min' then 1
        else 2
      end,
      q.started_at
    limit 1
    for update skip locked
  )
  returning * into v_run;

  if not found then
    return;
  end if;

  if v_run.resumes is null then
    delete from gmail_sync.touched t where t.user_id = v_run.user_id;
  end if;
  v_due := array(
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = v_run.user_id and not q.dead and q.not_before <= clock_timestamp()
    except
    select t.message_id
    from gmail_sync.touched t
    where t.user_id = v_run.user_id and t.bucket = 'pending'
  );
  if v_due <> '{}' then
    perform gmail_sync._count(
      v_run.task_id, v_run.user_id, v_due,
      array_fill('pending'::text, array[cardinality(v_due)]), 'listing', false
    );
  end if;

  return query
    select v_run.task_id, v_run.user_id::text, v_run.sync_type, v_run.attempt,
      a.email, a.status, a.status_reason, a.credentials, a.verified,
      a.content_mode, a.quota_profile,
      v_run.claimed_at, s.heartbeat_interval, s.heartbeat_timeout
    from gmail_sync.settings s
    left join gmail_sync.account a on a.user_id = v_run.user_id;
end;
$$;

comment on function gmail_sync.claim_sync(uuid) is
'Give the next due queued run to a worker: 0 or 1 row.';

revoke all on function gmail_sync.claim_sync(uuid) from public;
grant execute on function gmail_sync.claim_sync(uuid) to gmail_sync_service;
