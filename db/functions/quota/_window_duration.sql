-- How long a user's windows make so many units take, from p_from on; NULL if there is room for them
-- at once. What was charged within the last window can be spent again a window after that, and so
-- on: the ledger says when.

create or replace function gmail_sync._window_duration(
  p_user_id text, p_profile text, p_units bigint, p_window_units bigint, p_window_length interval,
  p_from timestamptz
)
returns interval
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_late bigint := p_units - p_window_units + coalesce((
    select sum(c.units)::bigint
    from gmail_sync.quota_charge c
    where c.profile = p_profile
      and c.user_id = p_user_id
      and c.charged_at > p_from - p_window_length
  ), 0);
begin
  return (
    select p_window_length * (1 + (v_late - 1) / p_window_units)
      + coalesce(min(c.charged_at) - p_from, interval '0')
    from (
      select charged_at, sum(units) over (order by charged_at, id) as units_so_far
      from gmail_sync.quota_charge
      where profile = p_profile
        and user_id = p_user_id
        and charged_at > p_from - p_window_length
    ) c
    where c.units_so_far > (v_late - 1) % p_window_units
    having v_late > 0
  );
end;
$$;

comment on function gmail_sync._window_duration(
  text, text, bigint, bigint, interval, timestamptz
) is
'How long a user''s windows make so many units take; NULL if there is room at once.';

revoke all on function gmail_sync._window_duration(
  text, text, bigint, bigint, interval, timestamptz
) from public;
