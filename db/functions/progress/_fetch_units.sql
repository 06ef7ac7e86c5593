-- Quota units that so many more messages of a run cost, if each is fetched whole. The run's plan
-- says it or, if there is none yet, a sample of the queue. NULL without prices.

create or replace function gmail_sync._fetch_units(
  p_run gmail_sync.user_sync_status, p_messages bigint
)
returns bigint
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_run.planned_share is null and p_run.pending >= 300 then
    return gmail_sync._planned_units(p_run.user_id, p_messages);
  end if;
  return ceil(
    p_messages * gmail_sync._message_price(p_run.user_id) * coalesce(p_run.planned_share, 1)
  )::bigint;
end;
$$;

comment on function gmail_sync._fetch_units(gmail_sync.user_sync_status, bigint) is
'Quota units that so many more messages of a run cost, if each is fetched whole.';

revoke all on function gmail_sync._fetch_units(gmail_sync.user_sync_status, bigint) from public;
