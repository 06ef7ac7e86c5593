-- When a window has room for p_units more: the user's, or the project's when p_user_id is NULL.
-- NULL if it has room now. Bookings of the future count as if they were made, and none of before
-- the window is left: _reserve_quota has seen to that.

create or replace function gmail_sync._quota_available_at(
  p_profile gmail_sync.quota_profile, p_user_id text, p_units integer, p_cap integer
)
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_free_at timestamptz;
begin
  select max(c.charged_at) + p_profile.window_length into v_free_at
  from (
    select charged_at, sum(units) over (order by charged_at desc, id desc) as later_units
    from gmail_sync.quota_charge
    where profile = p_profile.name
      and (p_user_id is null or user_id = p_user_id)
  ) c
  where c.later_units > p_cap - p_units;
  return v_free_at;
end;
$$;

comment on function gmail_sync._quota_available_at(
  gmail_sync.quota_profile, text, integer, integer
) is
'When a quota window has room for so many units; NULL if it has now.';

revoke all on function gmail_sync._quota_available_at(
  gmail_sync.quota_profile, text, integer, integer
) from public;
