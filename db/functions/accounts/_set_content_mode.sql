-- Sets the content mode of an account. With raw, the next run queues the messages that have no raw
-- copy: see _enqueue_raw_backfill. Returns their number, 0 if nothing has changed. The caller holds
-- _lock_user_mail.

create or replace function gmail_sync._set_content_mode(p_user_id text, p_content_mode text)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_missing integer := case
    when p_content_mode = 'raw' then (
      select (c.messages - c.with_raw)::integer from gmail_sync.count_messages(p_user_id) c
    )
    else 0
  end;
begin
  update gmail_sync.account
  set content_mode = p_content_mode,
    backfilled_to = case when v_missing > 0 then 'infinity'::timestamptz end,
    backfilled_to_id = case when v_missing > 0 then '' end
  where user_id = p_user_id
    and content_mode <> p_content_mode;
  return case when found then v_missing else 0 end;
end;
$$;

comment on function gmail_sync._set_content_mode(text, text) is
'Set the content mode of an account; returns the number of messages to fetch.';

revoke all on function gmail_sync._set_content_mode(text, text) from public;
