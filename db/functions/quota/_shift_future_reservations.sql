-- Moves what was reserved in the future, before the clock was set back, to now. Each reservation
-- keeps its wait, so Google's quota holds and nobody waits for the old clock to be reached.

create or replace function gmail_sync._shift_future_reservations(
  p_profile text, p_now timestamptz
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update gmail_sync.quota_charge c
  set charged_at = c.charged_at - (c.reserved_at - p_now), reserved_at = p_now
  where c.id = any (array(
    select o.id
    from gmail_sync.quota_charge o
    where o.profile = p_profile
      and o.charged_at > p_now
      and o.reserved_at > p_now
    -- A concurrent deletion of the user removes these rows anyway.
    for update skip locked
  ));
end;
$$;

comment on function gmail_sync._shift_future_reservations(text, timestamptz) is
'Move what was reserved in the future, before the clock was set back, to now.';

revoke all on function gmail_sync._shift_future_reservations(text, timestamptz) from public;
