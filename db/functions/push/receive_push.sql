-- Handles a push from Gmail: a mailbox has changed up to a history id. It starts a run for each
-- user of that mailbox, unless that history id is already known. Returns the task_ids. Duplicates,
-- old news and unknown mailboxes start nothing, nor does a push soon after a failed run. A push
-- during a run requests one more run.

create or replace function gmail_sync.receive_push(p_email text, p_history_id numeric)
returns setof text
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.task_id
  from (
    select a.user_id
    from gmail_sync.account a
    where gmail_sync._mailbox_identity(a.email) = gmail_sync._mailbox_identity(p_email)
      and a.status = 'connected'
      -- Another node has the other users, and its own answer.
      and gmail_sync._user_slot(a.user_id)
        <> all (array(select slot from gmail_sync.slot_elsewhere))
      and (a.history_id is null or a.history_id < p_history_id)
      -- Later, the schedule starts it.
      and coalesce(gmail_sync._failed_retry_at(a.user_id) <= clock_timestamp(), true)
    -- Runs of several users are started in the order of users, which avoids deadlocks.
    order by a.user_id
  ) changed
  cross join lateral gmail_sync.start_sync(changed.user_id, false, 'push') s;
$$;

comment on function gmail_sync.receive_push(text, numeric) is
'Start runs of the users whose mailbox has changed; returns the task_ids.';

revoke all on function gmail_sync.receive_push(text, numeric) from public;
grant execute on function gmail_sync.receive_push(text, numeric) to gmail_sync_service;
