-- Deletes the webhooks of a user, and all that others were to hear of the user.

create or replace function gmail_sync._delete_user_webhooks(p_user_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Streams are locked before their webhook everywhere.
  perform from gmail_sync.webhook_stream s
  where s.user_id = p_user_id
    or s.webhook_id in (select w.id from gmail_sync.webhook w where w.user_id = p_user_id)
  order by s.webhook_id, s.user_id
  for update;
  delete from gmail_sync.webhook_delivery where user_id = p_user_id;
  delete from gmail_sync.webhook_event where user_id = p_user_id;
  delete from gmail_sync.webhook_stream where user_id = p_user_id;
  delete from gmail_sync.webhook where user_id = p_user_id;
end;
$$;

comment on function gmail_sync._delete_user_webhooks(text) is
'Delete the webhooks of a user, and what others were to hear of the user.';

revoke all on function gmail_sync._delete_user_webhooks(text) from public;
