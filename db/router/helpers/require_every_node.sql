-- Raises 08006 when a node cannot be asked, before something is changed at all of them.

create function gmail_sync_router.require_every_node()
returns void
language plpgsql
as $$
declare
  v_outage record;
begin
  select a.node, a.outage into v_outage
  from gmail_sync_router.ask_schema_version() a
  where a.outage is not null
  limit 1;
  if found then
    raise exception using
      message = format(
        'a webhook for all users is at every node, and node %s is down, so nothing was changed: %s',
        v_outage.node, v_outage.outage
      ),
      errcode = '08006';
  end if;
end;
$$;
