-- Gives up to p_limit events that are due to a sender, and with each a lease of p_lease. One event
-- of a user and webhook is sent at a time, so they arrive in order. If nothing is recorded until
-- the lease lapses, the same event is given again, under the same id. Webhooks take turns; a call
-- begins at any of them. Raises SY003 when p_limit is not between 1 and 100.

create or replace function gmail_sync.claim_webhook_deliveries(
  p_limit integer, p_per_webhook integer default 8, p_lease interval default '60 s'
)
returns table (
  lease uuid,
  webhook_id text,
  user_id text,
  url text,
  secrets text[],
  event_id text,
  type text,
  body text,
  attempt integer
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_stream gmail_sync.webhook_stream;
  v_after text := 'wh_' || md5(random()::text);
  v_left integer := gmail_sync._check_page_size(p_limit, 100);
begin
  perform gmail_sync._wake_due_streams(p_lease);
  while v_left > 0 loop
    select * into v_stream from gmail_sync._lock_next_ready_stream(v_after, p_per_webhook);
    exit when not found;
    v_after := v_stream.webhook_id;
    if exists (
      select from gmail_sync.webhook w
      where w.id = v_stream.webhook_id and w.disabled_at is not null
    ) or not gmail_sync._load_webhook_event(v_stream.webhook_id, v_stream.user_id) then
      update gmail_sync.webhook_stream s
      set waiting_since = null
      where s.webhook_id = v_stream.webhook_id and s.user_id = v_stream.user_id;
      continue;
    end if;

    return query
      update gmail_sync.webhook_stream s
      set lease = gen_random_uuid(),
        due_at = clock_timestamp() + p_lease,
        first_attempt_at = coalesce(s.first_attempt_at, clock_timestamp())
      from gmail_sync.webhook w
      where w.id = s.webhook_id
        and s.webhook_id = v_stream.webhook_id
        and s.user_id = v_stream.user_id
      returning s.lease, s.webhook_id, s.user_id, w.url,
        case
          when w.rotated_at > clock_timestamp() - interval '1 day' then w.secrets
          else w.secrets[1:1]
        end,
        s.event_id, s.event_type, gmail_sync._webhook_body(s, w.with_content), s.attempts + 1;
    v_left := v_left - 1;
  end loop;
end;
$$;

comment on function gmail_sync.claim_webhook_deliveries(integer, integer, interval) is
'Give events that are due to a sender, each with a lease.';

revoke all on function gmail_sync.claim_webhook_deliveries(integer, integer, interval) from public;
grant execute on function gmail_sync.claim_webhook_deliveries(integer, integer, interval)
  to gmail_sync_service;
