-- A reason for each quota profile in use that Google ends within 60 days, or has ended.

create or replace function gmail_sync._quota_reasons()
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select format(
    'accounts have the quota profile %s, which Google ends on %s: set another with '
    'select gmail_sync.set_quota_profile(user_id, ''google-standard'');', q.name, q.ends_on
  )
  from gmail_sync.quota_profile q
  where q.ends_on - 60 <= gmail_sync._quota_day(clock_timestamp())
    and exists (select from gmail_sync.account a where a.quota_profile = q.name);
$$;

comment on function gmail_sync._quota_reasons() is
'The quota profiles in use that Google ends soon, as reasons why syncs are not healthy.';

revoke all on function gmail_sync._quota_reasons() from public;
