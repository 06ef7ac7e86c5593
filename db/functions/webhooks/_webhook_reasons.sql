-- A reason for each webhook for all users that is disabled. A webhook of one user does not make the
-- installation unhealthy; the user sees it in list_webhooks.

create or replace function gmail_sync._webhook_reasons()
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select format(
    'webhook %s is disabled, %s: put its receiver right, then run gmail-sync webhook replay %s',
    w.id, w.disabled_reason, w.id
  )
  from gmail_sync.webhook w
  where w.user_id is null and w.disabled_at is not null;
$$;

comment on function gmail_sync._webhook_reasons() is
'The reasons why webhooks are not healthy.';

revoke all on function gmail_sync._webhook_reasons() from public;
