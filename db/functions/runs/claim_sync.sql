-- Gives the next due queued run to a worker, with all it needs to know: 0 or 1 row.
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
  heartbeat_timeout interval,
  longest_wait interval
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
    sync_type = gmail_sync._sync_type_for_account(r.user_id, r.sync_type = 'full')
  where r.task_id = (select n.task_id from gmail_sync._lock_next_due_run() n)
  returning * into v_run;

  if not found then
    return;
  end if;

  -- The touched messages belong to the counts of one chain of runs. A run that no worker claimed,
  -- because it was adopted or made by hand, does not continue a chain.
  if v_run.resumes is null or exists (
    select from gmail_sync.user_sync_status p
    where p.task_id = v_run.resumes and p.claimed_at is not null and p.claimed_by is null
  ) then
    delete from gmail_sync.touched t where t.user_id = v_run.user_id;
  end if;
  v_due := array(
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = v_run.user_id
      and not q.dead
      and (q.not_before <= clock_timestamp() or gmail_sync._wait_is_over(q))
    except
    select t.message_id
    from gmail_sync.touched t
    where t.user_id = v_run.user_id and t.bucket = 'pending'
  );
  if v_due <> '{}' then
    perform gmail_sync._update_counts_fenced(
      v_run.task_id, v_run.user_id, v_due,
      array_fill('pending'::text, array[cardinality(v_due)]), 'listing', false
    );
  end if;

  return query
    select v_run.task_id, v_run.user_id::text, v_run.sync_type, v_run.attempt,
      a.email, a.status, a.status_reason, a.credentials, a.verified,
      a.content_mode, a.quota_profile,
      v_run.claimed_at, s.heartbeat_interval, s.heartbeat_timeout, s.longest_wait
    from gmail_sync.settings s
    left join gmail_sync.account a on a.user_id = v_run.user_id;
end;
$$;

comment on function gmail_sync.claim_sync(uuid) is
'Give the next due queued run to a worker: 0 or 1 row.';

revoke all on function gmail_sync.claim_sync(uuid) from public;
grant execute on function gmail_sync.claim_sync(uuid) to gmail_sync_service;
