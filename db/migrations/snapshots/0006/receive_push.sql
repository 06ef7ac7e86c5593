-- Takes Gmail's word that a mailbox has changed up to a history id: asks for a run of each user
-- whose account it is, unless that much is known already. The task_ids. Duplicates, old news
-- and unknown mailboxes start nothing; what arrives while a run is under way makes one more.

create or replace function gmail_sync.receive_push(p_email text, p_history_id numeric)
returns setof text
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.task_id
  from gmail_sync.account a
  cross join lateral gmail_sync.start_sync(a.user_id, false, 'push') s
  where lower(a.email) = lower(p_email)
    and a.status = 'connected'
    and (a.history_id is null or a.history_id < p_history_id);
$$;

comment on function gmail_sync.receive_push(text, numeric) is
'Ask for runs of the users whose mailbox Gmail says has changed; the task_ids.';

revoke all on function gmail_sync.receive_push(text, numeric) from public;
grant execute on function gmail_sync.receive_push(text, numeric) to gmail_sync_service;
