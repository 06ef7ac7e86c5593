-- The webhooks of a user, or those for all users when p_user_id is NULL, oldest first. waiting
-- counts the users of whom something is still to be sent, up to 1,000.

create or replace function gmail_sync.list_webhooks(p_user_id text)
returns table (
  id text,
  url text,
  events text[],
  with_content boolean,
  created_at timestamptz,
  failing_since timestamptz,
  last_error text,
  disabled_at timestamptz,
  disabled_reason text,
  waiting integer
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select w.id, w.url, w.events::text[], w.with_content, w.created_at, w.failing_since,
    (
      select d.error_message
      from gmail_sync.webhook_delivery d
      where d.webhook_id = w.id and w.failing_since is not null
      order by d.id desc limit 1
    ),
    w.disabled_at, w.disabled_reason,
    (
      select count(*)::integer from (
        select from gmail_sync.webhook_stream s
        where s.webhook_id = w.id
          and (s.waiting_since is not null or s.latest > s.change_number)
        limit 1000
      ) waiting
    )
  from gmail_sync.webhook w
  where w.user_id is not distinct from p_user_id
  order by w.created_at, w.id;
$$;

comment on function gmail_sync.list_webhooks(text) is
'The webhooks of a user, or those for all users, oldest first.';

revoke all on function gmail_sync.list_webhooks(text) from public;
grant execute on function gmail_sync.list_webhooks(text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
