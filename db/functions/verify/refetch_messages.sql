-- Queues messages in which a user's mail differs from the mailbox, those given up included, and
-- asks for a run. That run asks Gmail for each: what is there is stored, what is not is marked
-- deleted, so that nothing is deleted on the word of a listing. Returns how many were queued that
-- were not under way already. Raises SY002 without an account, SY003 for an invalid user id.

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
  if not exists (select from gmail_sync.account where user_id = v_user) then
    raise exception 'user % has no Gmail account', v_user using errcode = 'SY002';
  end if;

  insert into gmail_sync.fetch_queue as q (user_id, message_id, reason)
  select v_user, i.message_id, 'audit'
  from unnest(p_message_ids) with ordinality as i (message_id, n)
  where i.message_id <> ''
  group by i.message_id
  order by min(i.n)
  on conflict (user_id, message_id) do update
  set dead = false,
    attempts = 0,
    not_before = clock_timestamp(),
    taken_by = null
  where q.dead or q.not_before > clock_timestamp();
  get diagnostics v_count = row_count;

  if p_message_ids <> '{}' then
    perform gmail_sync._start_sync_for_queue(v_user, 'sql');
  end if;
  return v_count;
end;
$$;

comment on function gmail_sync.refetch_messages(text, text[]) is
'Queue messages for Gmail''s own word on them and ask for a run; how many.';

revoke all on function gmail_sync.refetch_messages(text, text[]) from public;
grant execute on function gmail_sync.refetch_messages(text, text[])
  to gmail_sync_service, gmail_sync_dba;
