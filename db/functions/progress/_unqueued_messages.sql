-- How many messages a run has still to queue. They are those that the listing in progress has not
-- reached, by Gmail's own count. Or they lack a raw copy, and the run queues them before it
-- fetches. No more than any mailbox has, so that the time they take is an interval.

create or replace function gmail_sync._unqueued_messages(p_run gmail_sync.user_sync_status)
returns bigint
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((
    select least(1000000000, greatest(
      0,
      case
        when a.listing_history_id is not null and not a.listing_complete
          then a.messages_total - p_run.found
      end,
      case
        when a.backfilled_to is not null and p_run.phase in ('queued', 'listing')
          then c.messages - c.with_raw - p_run.pending
      end
    ))
    from gmail_sync.account a
    left join gmail_sync.mail_count c on c.user_id = a.user_id
    where a.user_id = p_run.user_id
  ), 0);
end;
$$;

comment on function gmail_sync._unqueued_messages(gmail_sync.user_sync_status) is
'How many messages a run has still to queue.';

revoke all on function gmail_sync._unqueued_messages(gmail_sync.user_sync_status) from public;
