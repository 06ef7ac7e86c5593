-- Whether a webhook may get one more event at the same time.

create or replace function gmail_sync._webhook_has_room(p_webhook_id text, p_per_webhook integer)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select (
    select count(*)
    from gmail_sync.webhook_stream s
    where s.webhook_id = p_webhook_id and s.lease is not null
  ) < case when w.failing_since is null then p_per_webhook else 1 end
  from gmail_sync.webhook w
  where w.id = p_webhook_id;
$$;

comment on function gmail_sync._webhook_has_room(text, integer) is
'Whether a webhook may get one more event at the same time.';

revoke all on function gmail_sync._webhook_has_room(text, integer) from public;
