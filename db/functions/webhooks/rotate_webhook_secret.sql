-- Gives a webhook a new secret and returns it; NULL when there is no such webhook. For a day events
-- are signed with the older secrets too, so that the receiver has time to change.

create or replace function gmail_sync.rotate_webhook_secret(p_user_id text, p_webhook_id text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_secret text;
begin
  perform gmail_sync._require_user_here(p_user_id);
  update gmail_sync.webhook w
  set secrets = (gmail_sync._new_webhook_secret() || w.secrets)[1:3],
    rotated_at = clock_timestamp()
  where w.id = p_webhook_id
    and w.user_id is not distinct from p_user_id
  returning w.secrets[1] into v_secret;
  return v_secret;
end;
$$;

comment on function gmail_sync.rotate_webhook_secret(text, text) is
'Give a webhook a new secret and return it; NULL when there is no such webhook.';

revoke all on function gmail_sync.rotate_webhook_secret(text, text) from public;
grant execute on function gmail_sync.rotate_webhook_secret(text, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
