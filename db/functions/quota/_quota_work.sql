-- What kind of work a run is. It decides up to which part of the day's quota the run may spend; see
-- quota_share.

create or replace function gmail_sync._quota_work(p_run gmail_sync.user_sync_status)
returns text
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_run.sync_type = 'full' then 'full'
    when p_run.source in ('api', 'sql') then 'asked'
    else 'automatic'
  end;
$$;

comment on function gmail_sync._quota_work(gmail_sync.user_sync_status) is
'What kind of work a run is, for its share of the day''s quota.';

revoke all on function gmail_sync._quota_work(gmail_sync.user_sync_status) from public;
