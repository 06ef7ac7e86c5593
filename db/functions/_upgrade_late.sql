-- Queues those of the given messages once more that came without a raw copy although the account
-- keeps them: they were on their way when it was switched to raw. The caller holds _lock_mail.

create or replace function gmail_sync._upgrade_late(p_user_id text, p_message_ids text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from gmail_sync.account where user_id = p_user_id and content_mode = 'raw'
  ) then
    perform gmail_sync._queue_upgrade(p_user_id, p_message_ids);
  end if;
end;
$$;

comment on function gmail_sync._upgrade_late(text, text[]) is
'Queue what came without a raw copy although the account keeps them.';

revoke all on function gmail_sync._upgrade_late(text, text[]) from public;
