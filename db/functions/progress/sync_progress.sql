-- The latest runs of many users in one call, for a feed that shows progress to all of them. Users
-- who live on another node are left out: while they move, both nodes have runs of theirs.

create or replace function gmail_sync.sync_progress(p_user_ids text[])
returns setof gmail_sync._run
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select s.*
    from unnest(p_user_ids) as u (user_id)
    cross join lateral gmail_sync.sync_status(u.user_id) s
    where gmail_sync._user_slot(u.user_id)
      <> all (array(select e.slot from gmail_sync.slot_elsewhere e));
end;
$$;

comment on function gmail_sync.sync_progress(text[]) is
'The latest run of each of these users who live on this node.';

revoke all on function gmail_sync.sync_progress(text[]) from public;
grant execute on function gmail_sync.sync_progress(text[]) to gmail_sync_service;
