-- Charges the quota ledger for calls that are about to be sent. Returns NULL when they may
-- go, else charges nothing and returns when to ask again. A profile without a cap charges
-- nothing. Raises SY001 when the lease is gone, SY003 for a method without a cost, fewer than
-- one call, or calls that exceed a whole window.

create or replace function gmail_sync.charge_quota(
  p_task_id text, p_method text, p_calls integer default 1
)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._leaseholder(p_task_id);
  v_profile gmail_sync.quota_profile;
  v_units integer;
  v_free_at timestamptz;
begin
  select q.* into v_profile
  from gmail_sync.account a
  join gmail_sync.quota_profile q on q.name = a.quota_profile
  where a.user_id = v_user_id;
  if v_profile.user_units is null and v_profile.project_units is null then
    return null;
  end if;

  -- The project's charges queue up here; nothing else is locked in this transaction.
  perform from gmail_sync.quota_profile where name = v_profile.name for update;
  select c.units * p_calls into v_units
  from gmail_sync.quota_cost c
  where c.profile = v_profile.name
    and c.method = p_method;
  if not found or p_calls < 1 or v_units > least(v_profile.user_units, v_profile.project_units) then
    raise exception '% calls of % cannot be charged to profile %',
      p_calls, p_method, v_profile.name using errcode = 'SY003';
  end if;

  v_free_at := greatest(
    gmail_sync._quota_free_at(v_profile, v_user_id, v_units, v_profile.user_units),
    gmail_sync._quota_free_at(v_profile, null, v_units, v_profile.project_units)
  );
  if v_free_at is null then
    insert into gmail_sync.quota_charge (profile, user_id, charged_at, units)
    values (v_profile.name, v_user_id, clock_timestamp(), v_units);
  end if;
  return v_free_at;
end;
$$;

comment on function gmail_sync.charge_quota(text, text, integer) is
'Charge the quota ledger before calls are sent: NULL to go, else when to ask again.';

revoke all on function gmail_sync.charge_quota(text, text, integer) from public;
grant execute on function gmail_sync.charge_quota(text, text, integer) to gmail_sync_service;
