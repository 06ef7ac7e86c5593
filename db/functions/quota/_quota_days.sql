-- What today's quota of each project with a cap a day has been used for, for sync_health.

create or replace function gmail_sync._quota_days()
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'profile', q.name,
    'day_units', q.day_units,
    'used_units', coalesce(d.units, 0),
    'used_percent', round(100.0 * coalesce(d.units, 0) / q.day_units, 1),
    'resets_at', gmail_sync._quota_reset_at(n.now)
  ) order by q.name), '[]')
  from (select clock_timestamp() as now) n
  cross join gmail_sync._granted_quota q
  left join gmail_sync.quota_day d
    on d.profile = q.name
    and d.day = gmail_sync._quota_day(n.now)
  where q.day_units > 0;
$$;

comment on function gmail_sync._quota_days() is
'How much of today''s quota each project has used.';

revoke all on function gmail_sync._quota_days() from public;
