-- Gives a webhook a new secret and returns it; NULL when there is no such webhook. For a day events
-- are signed with the older secrets too, so that the receiver has time to change.

create or replace function gmail_sync.rotate_webhook_secret(p_user_id text, p_webhook_id text)
returns text
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select gmail_sync._set_webhook_secret(
    p_user_id, p_webhook_id, gmail_sync._new_webhook_secret()
  );
$$;

comment on function gmail_sync.rotate_webhook_secret(text, text) is
'Give a webhook a new secret and return it; NULL when there is no such webhook.';

revoke all on function gmail_sync.rotate_webhook_secret(text, text) from public;
grant execute on function gmail_sync.rotate_webhook_secret(text, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
