-- Adds a webhook for the events of one user, or of all when p_user_id is NULL. Without p_events it
-- gets all. With p_with_content events of messages contain what a list of messages shows. Returns
-- its id and its secret, which no other call but a rotation returns. It reports what happens from
-- now on; replay_webhook reports earlier changes. Raises SY003 for an argument that is not valid,
-- or for more than 20 webhooks of one user.

create or replace function gmail_sync.add_webhook(
  p_user_id text, p_url text, p_events text[] default null, p_with_content boolean default false
)
returns table (id text, secret text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  id := 'wh_' || replace(gen_random_uuid()::text, '-', '');
  secret := gmail_sync._new_webhook_secret();
  perform gmail_sync._add_webhook(p_user_id, p_url, p_events, p_with_content, id, secret);
  return next;
end;
$$;

comment on function gmail_sync.add_webhook(text, text, text[], boolean) is
'Add a webhook for the events of one user, or of all; returns its id and secret.';

revoke all on function gmail_sync.add_webhook(text, text, text[], boolean) from public;
grant execute on function gmail_sync.add_webhook(text, text, text[], boolean)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
