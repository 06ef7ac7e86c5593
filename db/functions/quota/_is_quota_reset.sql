-- Whether a moment is one at which a daily quota is renewed. A run that waits until such a moment
-- waits for that quota.

create or replace function gmail_sync._is_quota_reset(p_at timestamptz)
returns boolean
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  -- It is renewed a minute after midnight.
  select p_at = gmail_sync._quota_reset_at(p_at - interval '2 min');
$$;

comment on function gmail_sync._is_quota_reset(timestamptz) is
'Whether a moment is one at which a daily quota is renewed.';

revoke all on function gmail_sync._is_quota_reset(timestamptz) from public;
