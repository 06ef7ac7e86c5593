-- Quota units that a run has still to spend for its messages, pending or not queued yet. A stored
-- message costs a fetch in format minimal. Before the fetches begin, it may cost less: its place in
-- the lists of three labels. NULL without prices.

create or replace function gmail_sync._units_left(
  p_run gmail_sync.user_sync_status, p_unqueued bigint
)
returns bigint
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_messages bigint := p_run.pending + p_unqueued;
  v_known bigint := gmail_sync._known_messages(p_run, v_messages);
  v_list integer;
  v_get integer;
begin
  select
    max(c.units) filter (where c.method = 'messages.list'),
    max(c.units) filter (where c.method = 'messages.get' and c.format = 'minimal')
  into v_list, v_get
  from gmail_sync.account a
  join gmail_sync.quota_cost c on c.profile = a.quota_profile
  where a.user_id = p_run.user_id;

  return gmail_sync._fetch_units(p_run, v_messages - v_known)
    -- A page has 500 ids.
    + v_list * ((p_unqueued + 499) / 500)
    + case
      when v_known = 0 then 0
      when p_run.fetching_at is not null or p_run.planned_share is not null then v_known * v_get
      else least(
        v_known * v_get,
        v_list * (
          3 * v_messages / 500
          + (select count(*) from gmail_sync.label l where l.user_id = p_run.user_id)
        )
      )
    end;
end;
$$;

comment on function gmail_sync._units_left(gmail_sync.user_sync_status, bigint) is
'Quota units that a run has still to spend; NULL without prices.';

revoke all on function gmail_sync._units_left(gmail_sync.user_sync_status, bigint) from public;
