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
  from (
    select a.user_id
    from gmail_sync.account a
    where lower(a.email) = lower(p_email)
      and a.status = 'connected'
      and (a.history_id is null or a.history_id < p_history_id)
    -- Whoever asks for runs of several users does so in their order.
    order by a.user_id
  ) changed
  cross join lateral gmail_sync.start_sync(changed.user_id, false, 'push') s;
$$;

comment on function gmail_sync.receive_push(text, numeric) is
'Ask for runs of the users whose mailbox Gmail says has changed; the task_ids.';

revoke all on function gmail_sync.receive_push(text, numeric) from public;
grant execute on function gmail_sync.receive_push(text, numeric) to gmail_sync_service;
