-- How many webhooks there are, and how many of them fail or are disabled.

create or replace function gmail_sync._count_webhooks()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'total', count(*),
    'failing', count(*) filter (where failing_since is not null and disabled_at is null),
    'disabled', count(*) filter (where disabled_at is not null)
  )
  from gmail_sync.webhook;
$$;

comment on function gmail_sync._count_webhooks() is
'How many webhooks there are, fail and are disabled.';

revoke all on function gmail_sync._count_webhooks() from public;
