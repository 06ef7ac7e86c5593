-- Removes the charges of before a profile's window from the ledger. What was reserved in the
-- future, before the clock was set back, moves to now. Each reservation keeps its wait, so Google's
-- quota holds and nobody waits for the old clock to be reached.

create or replace function gmail_sync._clear_quota_windows(
  p_profile gmail_sync.quota_profile, p_now timestamptz
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
    where o.profile = p_profile.name
      and o.charged_at > p_now
      and o.reserved_at > p_now
    -- A concurrent deletion of the user removes these rows anyway.
    for update skip locked
  ));

  delete from gmail_sync.quota_charge c
  where c.id in (
    select o.id
    from gmail_sync.quota_charge o
    where o.profile = p_profile.name
      and o.charged_at <= p_now - p_profile.window_length
    for update skip locked
  );
end;
$$;

comment on function gmail_sync._clear_quota_windows(gmail_sync.quota_profile, timestamptz) is
'Remove charges of before the window; move reservations of a future that is over to now.';

revoke all on function gmail_sync._clear_quota_windows(gmail_sync.quota_profile, timestamptz)
  from public;
