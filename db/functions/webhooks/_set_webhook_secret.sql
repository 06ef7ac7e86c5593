-- Gives a webhook this secret and returns it; NULL when there is no such webhook. A webhook for all
-- users gets the same at each of several nodes.

create or replace function gmail_sync._set_webhook_secret(
  p_user_id text, p_webhook_id text, p_secret text
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._require_user_here(p_user_id);
  update gmail_sync.webhook w
  set secrets = (p_secret || w.secrets)[1:3], rotated_at = clock_timestamp()
  where w.id = p_webhook_id
    and w.user_id is not distinct from p_user_id;
  return case when found then p_secret end;
end;
$$;

comment on function gmail_sync._set_webhook_secret(text, text, text) is
'Give a webhook this secret and return it; NULL when there is no such webhook.';

revoke all on function gmail_sync._set_webhook_secret(text, text, text) from public;
