-- Reserves quota for calls in the ledger, all at one moment; p_calls as for reserve_run_quota. No
-- row: the user's window, the project's and the project's day have room now. Otherwise it reserves
-- the first moment they will, and returns it as free_at, with what is used up until then: minute or
-- day.
--
-- If Google itself says that the day is used up (refused), nothing is reserved; reserve again at
-- ask_at. Otherwise ask_at is free_at.
--
-- Each caller is served in order and asks once. So many users share a project's cap evenly, and
-- small calls cannot overtake a large one forever. A wait longer than p_patience is not reserved,
-- but its time is returned. Raises SY003 for calls that no window has room for.

create or replace function gmail_sync._reserve_quota(
  p_user_id text, p_calls jsonb, p_work text, p_patience interval
)
returns table (free_at timestamptz, used_up text, ask_at timestamptz)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_profile gmail_sync.quota_profile := gmail_sync._quota_profile_for(p_user_id, p_work);
  v_cap bigint := least(v_profile.user_units, v_profile.project_units, v_profile.day_units);
  v_units integer;
  v_now timestamptz;
begin
  ask_at := gmail_sync._daily_limit_ends(v_profile.name, clock_timestamp());
  if ask_at is not null then
    free_at := gmail_sync._quota_reset_at(clock_timestamp());
    used_up := 'refused';
    return next;
    return;
  end if;
  if v_cap is null then
    return;
  end if;

  -- The project's charges queue up here; nothing else is locked in this transaction.
  perform from gmail_sync.quota_profile where name = v_profile.name for no key update;
  v_units := gmail_sync._units_of_calls(v_profile.name, p_calls, v_cap);

  v_now := clock_timestamp();
  perform gmail_sync._clear_quota_windows(v_profile, v_now);
  free_at := greatest(
    gmail_sync._quota_available_at(v_profile, p_user_id, v_units, v_profile.user_units),
    gmail_sync._quota_available_at(v_profile, null, v_units, v_profile.project_units)
  );
  used_up := 'minute';
  if gmail_sync._quota_day_available_at(v_profile, coalesce(free_at, v_now), v_units) > v_now then
    free_at := gmail_sync._quota_day_available_at(v_profile, coalesce(free_at, v_now), v_units);
    used_up := 'day';
  end if;
  if free_at is null or free_at <= v_now + p_patience then
    perform gmail_sync._charge_quota(
      v_profile.name, p_user_id, greatest(free_at, v_now), v_units, v_now
    );
  end if;
  ask_at := free_at;
  if free_at is not null then
    return next;
  end if;
end;
$$;

comment on function gmail_sync._reserve_quota(text, jsonb, text, interval) is
'Reserve quota for calls: no row to send now, else when.';

revoke all on function gmail_sync._reserve_quota(text, jsonb, text, interval) from public;
