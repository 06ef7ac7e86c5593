-- Queues a user's messages that have no raw copy, newest first, and returns their number. The
-- caller holds _lock_user_mail.

create or replace function gmail_sync._enqueue_raw_backfill(p_user_id text)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  insert into gmail_sync.fetch_queue (user_id, message_id, reason)
  select m.user_id, m.message_id, 'raw_backfill'
  from gmail_sync.message m
  where m.user_id = p_user_id
    and m.raw is null
    and m.deleted_at is null
  order by m.internal_date desc, m.message_id desc
  on conflict do nothing;
  get diagnostics v_count = row_count;

  return v_count;
end;
$$;

comment on function gmail_sync._enqueue_raw_backfill(text) is
'Queue the messages that have no raw copy; returns their number.';

revoke all on function gmail_sync._enqueue_raw_backfill(text) from public;
