-- Notes that a webhook did not accept an event. It is disabled when it answers 410 Gone, or has
-- accepted nothing for days. Then nothing is sent to it until replay_webhook enables it. True when
-- it is disabled.

create or replace function gmail_sync._note_webhook_failure(
  p_webhook_id text, p_http_status integer
)
returns boolean
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update gmail_sync.webhook w
  set failing_since = coalesce(w.failing_since, clock_timestamp()),
    disabled_at = case when d.reason is not null then clock_timestamp() end,
    disabled_reason = d.reason
  from gmail_sync.webhook before
  cross join gmail_sync.settings s
  cross join lateral (
    select case
      when p_http_status = 410 then 'it answered 410 Gone'
      when before.failing_since < clock_timestamp() - s.webhook_disable_after
        then 'it accepted nothing since '
          || to_char(before.failing_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI" UTC"')
    end
  ) as d (reason)
  where w.id = p_webhook_id
    and before.id = w.id
    and w.disabled_at is null
    and (w.failing_since is null or d.reason is not null)
  returning w.disabled_at is not null;
$$;

comment on function gmail_sync._note_webhook_failure(text, integer) is
'Note that a webhook did not accept an event; true when it is disabled as dead.';

revoke all on function gmail_sync._note_webhook_failure(text, integer) from public;
