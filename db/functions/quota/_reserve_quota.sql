-- Reserves quota for calls of one Gmail method in the ledger. NULL: the user's window and the
-- project's have room now. Otherwise it reserves the first moment they will, and returns it.
--
-- Each caller is served in order and asks once. So many users share a project's cap evenly, and
-- small calls cannot overtake a large one forever. A wait longer than p_patience is not reserved,
-- but its time is returned. Raises SY003 for calls that no window has room for.

create or replace function gmail_sync._reserve_quota(
  p_user_id text, p_method text, p_calls integer, p_format text, p_patience interval
)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_profile gmail_sync.quota_profile;
  v_units integer;
  v_free_at timestamptz;
  v_now timestamptz;
begin
  select q.* into v_profile
  from gmail_sync.account a
  join gmail_sync.quota_profile q on q.name = a.quota_profile
  where a.user_id = p_user_id;
  if v_profile.user_units is null and v_profile.project_units is null then
    return null;
  end if;

  -- The project's charges queue up here; nothing else is locked in this transaction.
  perform from gmail_sync.quota_profile where name = v_profile.name for no key update;
  select c.units * p_calls into v_units
  from gmail_sync.quota_cost c
  where c.profile = v_profile.name
    and c.method = p_method
    and c.format = p_format;
  if not found or p_calls < 1 or v_units > least(v_profile.user_units, v_profile.project_units) then
    raise exception '% calls of % % cannot be charged to profile %',
      p_calls, p_method, p_format, v_profile.name
      using errcode = 'SY003',
        hint = 'Reserve fewer calls at once, of a method and format in gmail_sync.quota_cost.';
  end if;

  -- Google counts a request when it arrives, a little later than we charge it; of two requests
  -- a window apart the first may travel longer.
  v_profile.window_length := v_profile.window_length * 1.02;
  v_now := clock_timestamp();
  perform gmail_sync._shift_future_reservations(v_profile.name, v_now);
  delete from gmail_sync.quota_charge c
  where c.id in (
    select o.id
    from gmail_sync.quota_charge o
    where o.profile = v_profile.name
      and o.charged_at <= v_now - v_profile.window_length
    -- A concurrent deletion of the user removes these rows anyway.
    for update skip locked
  );
  v_free_at := greatest(
    gmail_sync._quota_available_at(v_profile, p_user_id, v_units, v_profile.user_units),
    gmail_sync._quota_available_at(v_profile, null, v_units, v_profile.project_units)
  );
  if v_free_at is null or v_free_at <= v_now + p_patience then
    insert into gmail_sync.quota_charge (profile, user_id, charged_at, units, reserved_at)
    select v_profile.name, a.user_id, greatest(v_free_at, v_now), v_units, v_now
    from gmail_sync.account a
    -- The account may be locked by a deletion, or gone; a later deletion waits for this row.
    where a.user_id = p_user_id
    for key share skip locked;
  end if;
  return v_free_at;
end;
$$;

comment on function gmail_sync._reserve_quota(text, text, integer, text, interval) is
'Reserve quota for calls: NULL to send now, else when.';

revoke all on function gmail_sync._reserve_quota(text, text, integer, text, interval) from public;
