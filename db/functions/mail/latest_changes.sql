-- The number of the last change in the mail of each of these users; 0 where there is no mail. The
-- service asks for all who wait for a change at once, and reads one entry of an index for each.

create or replace function gmail_sync.latest_changes(p_user_ids text[])
returns table (user_id text, change_number bigint)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select u.user_id, coalesce((
      select m.change_number
      from gmail_sync.message m
      where m.user_id = u.user_id
      order by m.change_number desc
      limit 1
    ), 0)
    from unnest(p_user_ids) as u (user_id);
end;
$$;

comment on function gmail_sync.latest_changes(text[]) is
'The number of the last change in the mail of each of these users.';

revoke all on function gmail_sync.latest_changes(text[]) from public;
grant execute on function gmail_sync.latest_changes(text[]) to gmail_sync_service;
