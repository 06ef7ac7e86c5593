-- How long a running run will take: its own wait, then the rest of its messages. Its speed is that
-- since the claim, but no faster than the quota allows. NULL while it cannot be estimated.

create or replace function gmail_sync._run_eta(p_run gmail_sync.user_sync_status)
returns interval
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_run.phase = 'queued' then wait + coalesce(greatest(own, quota), interval '0')
    -- Waits for the quota are part of the speed already.
    else greatest(own, quota, wait)
  end
  from (
    select greatest(p_run.pending, missing.messages) + case
        when a.listing_history_id is not null and not a.listing_complete
          then greatest(0, a.messages_total - p_run.found)
        else 0
      end as messages,
      p_run.found - p_run.pending - p_run.done_at_claim as done,
      (
        select c.units
        from gmail_sync.quota_cost c
        where c.profile = a.quota_profile
          and c.method = 'messages.get'
          and c.format = a.content_mode
      ) as cost,
      nullif(
        greatest(
          interval '0',
          least(
            interval '24 hours',
            greatest(p_run.waiting_until, p_run.not_before) - clock_timestamp()
          )
        ),
        interval '0'
      ) as wait
    from gmail_sync.account a
    -- Without a raw copy; not all of them are queued yet. A run queues them before it fetches.
    left join lateral (
      select c.messages - c.with_raw as messages
      from gmail_sync.count_messages(a.user_id) c
      where a.backfilled_to is not null and p_run.phase in ('queued', 'listing')
    ) missing on true
    where a.user_id = p_run.user_id
  ) rest
  cross join lateral (
    select
      case
        when messages > 0 and done > 0 and p_run.progressed_at > p_run.claimed_at
          -- A listing that has hardly begun would take longer than an integer has seconds.
          then least(
            interval '20 years',
            (p_run.progressed_at - p_run.claimed_at) * (messages::float8 / done)
          )
      end as own,
      gmail_sync._quota_duration(
        gmail_sync._quota_profile_for(p_run.user_id, gmail_sync._quota_work(p_run)),
        messages * cost,
        clock_timestamp()
          + case when p_run.phase = 'queued' then coalesce(wait, '0') else interval '0' end
      ) as quota
  ) part;
$$;

comment on function gmail_sync._run_eta(gmail_sync.user_sync_status) is
'How long a running run will need; NULL while nothing can be known.';

revoke all on function gmail_sync._run_eta(gmail_sync.user_sync_status) from public;
