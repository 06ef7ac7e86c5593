-- Queues messages that differ between a user's mail and the mailbox, dead-lettered ones included,
-- and starts a run. That run fetches each from Gmail: existing ones are stored, missing ones are
-- tombstoned. So a listing does not suffice to delete a message. Returns how many were queued that
-- were not in progress. Raises SY002 without an account, SY003 for an invalid user id.

create or replace function gmail_sync.refetch_messages(p_user_id text, p_message_ids text[])
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._valid_user_id(p_user_id);
  v_count integer;
begin
  perform gmail_sync._lock_user_mail(v_user);
  perform gmail_sync._require_account(v_user);

  insert into gmail_sync.fetch_queue as q (user_id, message_id, reason)
  select v_user, i.message_id, 'refetch'
  from unnest(p_message_ids) with ordinality as i (message_id, n)
  where i.message_id <> ''
  group by i.message_id
  order by min(i.n)
  on conflict (user_id, message_id) do update
  set dead = false,
    attempts = 0,
    not_before = default
  where q.dead or q.not_before > clock_timestamp();
  get diagnostics v_count = row_count;

  if p_message_ids <> '{}' then
    perform gmail_sync._start_sync_for_queue(v_user, 'sql');
  end if;
  return v_count;
end;
$$;

comment on function gmail_sync.refetch_messages(text, text[]) is
'Queue messages to be fetched again and start a run; returns their number.';

revoke all on function gmail_sync.refetch_messages(text, text[]) from public;
grant execute on function gmail_sync.refetch_messages(text, text[])
  to gmail_sync_service, gmail_sync_dba;
