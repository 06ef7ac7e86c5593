-- How many claimed runs share a project's quota, counted up to 1,000.

create or replace function gmail_sync._running_runs(p_profile text)
returns integer
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select count(*)::integer
    from (
      select
      from gmail_sync.user_sync_status r
      join gmail_sync.account a on a.user_id = r.user_id
      where r.is_syncing
        and r.claimed_at is not null
        and a.quota_profile = p_profile
      limit 1000
    ) running
  );
end;
$$;

comment on function gmail_sync._running_runs(text) is
'How many claimed runs share a project''s quota, counted up to 1,000.';

revoke all on function gmail_sync._running_runs(text) from public;
