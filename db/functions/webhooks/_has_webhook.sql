-- Whether a user has this webhook, or all users have when p_user_id is NULL.

create or replace function gmail_sync._has_webhook(p_user_id text, p_webhook_id text)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from gmail_sync.webhook w
    where w.id = p_webhook_id and w.user_id is not distinct from p_user_id
  );
$$;

comment on function gmail_sync._has_webhook(text, text) is
'Whether a user, or all when NULL, have this webhook.';

revoke all on function gmail_sync._has_webhook(text, text) from public;
