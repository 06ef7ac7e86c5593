-- Selects the next stream whose event is due, and locks it: 0 or 1 row. A webhook that fails gets
-- one attempt at a time, others up to p_per_webhook, so that slow ones leave room for the rest.
--
-- A time further ahead than the rule that wrote it can reach is of a clock that was set back.

create or replace function gmail_sync._lock_next_due_stream(p_per_webhook integer, p_lease interval)
returns setof gmail_sync.webhook_stream
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.*
  from gmail_sync.webhook_stream s
  where s.due_at is not null
    -- Another node has the streams of other users. The one without a user is for tests.
    and (
      s.user_id = ''
      or gmail_sync._user_slot(s.user_id)
        <> all (array(select slot from gmail_sync.slot_elsewhere))
    )
    and (
      s.due_at <= now()
      or s.due_at > now() + case
        when s.lease is not null then p_lease + interval '5 s'
        when s.attempts > 0 then interval '25 hours'
        else interval '5 s'
      end
    )
    and (
      select count(*)
      from gmail_sync.webhook_stream busy
      where busy.webhook_id = s.webhook_id
        and busy.lease is not null
        and busy.due_at between now() and now() + p_lease + interval '5 s'
    ) < (
      select case when w.failing_since is null then p_per_webhook else 1 end
      from gmail_sync.webhook w
      where w.id = s.webhook_id
    )
  order by s.due_at
  limit 1
  for update of s skip locked;
$$;

comment on function gmail_sync._lock_next_due_stream(integer, interval) is
'The next stream whose event is due, locked: 0 or 1 row.';

revoke all on function gmail_sync._lock_next_due_stream(integer, interval) from public;
