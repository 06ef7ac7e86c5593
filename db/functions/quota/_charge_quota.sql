-- Adds a charge to the ledger: to the windows, and to the day of p_at. The caller holds the row of
-- the profile, so nobody waits for the row of the day.

create or replace function gmail_sync._charge_quota(
  p_profile text, p_user_id text, p_at timestamptz, p_units integer, p_now timestamptz
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into gmail_sync.quota_charge (profile, user_id, charged_at, units, reserved_at)
  select p_profile, a.user_id, p_at, p_units, p_now
  from gmail_sync.account a
  -- The account may be locked by a deletion, or gone; a later deletion waits for this row.
  where a.user_id = p_user_id
  for key share skip locked;

  insert into gmail_sync.quota_day as d (profile, day, units)
  values (p_profile, gmail_sync._quota_day(p_at), p_units)
  on conflict (profile, day) do update set units = d.units + excluded.units;
end;
$$;

comment on function gmail_sync._charge_quota(text, text, timestamptz, integer, timestamptz) is
'Add a charge to the ledger: to the windows, and to its day.';

revoke all on function gmail_sync._charge_quota(text, text, timestamptz, integer, timestamptz)
  from public;
