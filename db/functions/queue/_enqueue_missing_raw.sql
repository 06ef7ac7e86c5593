-- Queues those of the given messages that have no raw copy, if the account keeps raw copies. They
-- were in flight when the mode changed. The caller holds _lock_user_mail.

create or replace function gmail_sync._enqueue_missing_raw(p_user_id text, p_message_ids text[])
returns void
language plpgsql
volatile
as $$
declare
  v_message_id text;
begin
  if not exists (
    select from gmail_sync.account where user_id = p_user_id and content_mode = 'raw'
  ) then
    return;
  end if;
  -- One by one, as store_messages takes them out of the queue.
  foreach v_message_id in array p_message_ids loop
    insert into gmail_sync.fetch_queue (user_id, message_id, reason)
    select m.user_id, m.message_id, 'raw_backfill'
    from gmail_sync.message m
    where m.user_id = p_user_id
      and m.message_id = v_message_id
      and m.raw is null
      and m.deleted_at is null
    on conflict do nothing;
  end loop;
end;
$$;

comment on function gmail_sync._enqueue_missing_raw(text, text[]) is
'Queue messages without a raw copy, if the account keeps raw copies.';

revoke all on function gmail_sync._enqueue_missing_raw(text, text[]) from public;
