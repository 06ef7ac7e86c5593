-- Gives the next due queued run to a worker, with all it needs to know: 0 or 1 row.
-- The user's due queue rows enter the counts as found and pending. A claim handles 5,000 messages
-- at most. If there are more, counted_to is where prepare_sync goes on.

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
  longest_wait interval,
  counted_to text,
  traceparent text
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_run gmail_sync.user_sync_status;
  v_is_new boolean;
  v_counted_to text;
begin
  update gmail_sync.user_sync_status r
  set claimed_at = clock_timestamp(),
    claimed_by = p_worker,
    updated_at = clock_timestamp(),
    waiting_until = null,
    phase = 'listing',
    done_at_claim = r.found - r.pending,
    sync_type = gmail_sync._sync_type_for_account(r.user_id, r.sync_type = 'full')
  where r.task_id = (select gmail_sync._lock_next_due_run())
  returning * into v_run;

  if not found then
    return;
  end if;

  -- A run that no worker claimed was adopted or made by hand. Its successor begins a chain.
  v_is_new := v_run.resumes is null or exists (
    select from gmail_sync.user_sync_status p
    where p.task_id = v_run.resumes and p.claimed_at is not null and p.claimed_by is null
  );
  v_counted_to := gmail_sync._prepare_sync(v_run.task_id, v_run.user_id, v_is_new, '', 5000);

  return query
    select v_run.task_id, v_run.user_id::text, v_run.sync_type, v_run.attempt,
      a.email, a.status, a.status_reason, a.credentials, a.verified,
      a.content_mode, a.quota_profile,
      v_run.claimed_at, s.heartbeat_interval, s.heartbeat_timeout, s.longest_wait,
      v_counted_to, v_run.traceparent
    from gmail_sync.settings s
    left join gmail_sync.account a on a.user_id = v_run.user_id;
end;
$$;

comment on function gmail_sync.claim_sync(uuid) is
'Give the next due queued run to a worker: 0 or 1 row.';

revoke all on function gmail_sync.claim_sync(uuid) from public;
grant execute on function gmail_sync.claim_sync(uuid) to gmail_sync_service;
