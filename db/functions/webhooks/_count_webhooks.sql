-- How many webhooks there are, fail and are disabled, and how many attempts ended in which way.
-- oldest_seconds is the longest that a user's next event waits, at webhooks that are not disabled.

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
    'disabled', count(*) filter (where disabled_at is not null),
    'oldest_seconds', (
      select round(extract(epoch from clock_timestamp() - min(s.waiting_since)), 1)
      from gmail_sync.webhook_stream s
      where s.waiting_since is not null
    )
  ) || (
    select jsonb_object_agg(c.outcome, c.deliveries) from gmail_sync.webhook_count c
  )
  from gmail_sync.webhook;
$$;

comment on function gmail_sync._count_webhooks() is
'How many webhooks there are, and what became of attempts to deliver events.';

revoke all on function gmail_sync._count_webhooks() from public;
