-- The user's latest run: the running one, else the one started last. No row: never synced.

create or replace function gmail_sync.sync_status(p_user_id text)
returns setof gmail_sync._run
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select *
    from gmail_sync._run r
    where r.task_id = coalesce(
      (
        select u.task_id
        from gmail_sync.user_sync_status u
        where u.user_id = p_user_id and u.is_syncing
      ),
      (
        select u.task_id
        from gmail_sync.user_sync_status u
        where u.user_id = p_user_id
          and u.started_at <= (select clock_timestamp())
        order by u.started_at desc
        limit 1
      ),
      -- All others have started in the future, because the clock was set back.
      (
        select u.task_id
        from gmail_sync.user_sync_status u
        where u.user_id = p_user_id
        order by u.started_at desc
        limit 1
      )
    );
end;
$$;

comment on function gmail_sync.sync_status(text) is
'The user''s latest run: 0 or 1 row.';

revoke all on function gmail_sync.sync_status(text) from public;
grant execute on function gmail_sync.sync_status(text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
