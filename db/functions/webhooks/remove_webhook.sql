-- Removes a webhook of a user, or of all users when p_user_id is NULL, with all that was to be
-- sent. False when there is none.

create or replace function gmail_sync.remove_webhook(p_user_id text, p_webhook_id text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._require_user_here(p_user_id);
  if not gmail_sync._has_webhook(p_user_id, p_webhook_id) then
    return false;
  end if;
  -- Streams are locked before their webhook everywhere.
  perform from gmail_sync.webhook_stream
  where webhook_id = p_webhook_id
  order by user_id
  for update;
  delete from gmail_sync.webhook where id = p_webhook_id;
  return found;
end;
$$;

comment on function gmail_sync.remove_webhook(text, text) is
'Remove a webhook; false when there is none.';

revoke all on function gmail_sync.remove_webhook(text, text) from public;
grant execute on function gmail_sync.remove_webhook(text, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
