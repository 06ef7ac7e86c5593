-- Marks messages deleted and forgets what was still to be fetched of them.

create or replace function gmail_sync._tombstone_messages(p_user_id text, p_message_ids text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_messages bigint;
  v_with_raw bigint;
begin
  delete from gmail_sync.fetch_queue
  where user_id = p_user_id
    and message_id = any (p_message_ids);

  with tombstoned as (
    update gmail_sync.message
    set deleted_at = clock_timestamp(),
      change_number = nextval('gmail_sync.message_change')
    where user_id = p_user_id
      and message_id = any (p_message_ids)
      and deleted_at is null
    returning raw is not null as has_raw
  )
  select count(*), count(*) filter (where has_raw) into v_messages, v_with_raw from tombstoned;
  perform gmail_sync._count_mail(p_user_id, -v_messages, -v_with_raw);
  perform gmail_sync._forget_words(p_user_id, p_message_ids);
end;
$$;

comment on function gmail_sync._tombstone_messages(text, text[]) is
'Mark messages deleted and take them out of the queue.';

revoke all on function gmail_sync._tombstone_messages(text, text[]) from public;
