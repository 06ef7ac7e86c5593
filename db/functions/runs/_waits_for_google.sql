-- Whether a queued run waits, even if a person asks for it, because Google demands it. The day's
-- quota may be used up for this run, but not for what a person asks for. If Google says that it is,
-- it is for all.

create or replace function gmail_sync._waits_for_google(p_run gmail_sync._running_run)
returns boolean
language plpgsql
volatile
as $$
begin
  return coalesce(
    gmail_sync._run_waits(p_run.waiting_until, p_run.started_at)
      and not (
        p_run.sync_type = 'incremental'
        and gmail_sync._is_quota_reset(p_run.waiting_until)
        and not exists (
          select from gmail_sync.account a
          where a.user_id = p_run.user_id
            and gmail_sync._daily_limit_ends(a.quota_profile, clock_timestamp()) is not null
        )
      ),
    false
  );
end;
$$;

comment on function gmail_sync._waits_for_google(gmail_sync._running_run) is
'Whether a queued run waits because Google demands it, even if a person asks for it.';

revoke all on function gmail_sync._waits_for_google(gmail_sync._running_run) from public;
