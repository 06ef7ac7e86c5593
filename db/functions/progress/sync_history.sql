-- The user's runs, newest first. p_before is the task_id of the last run of the page before.
-- Raises SY003 when p_limit is not between 1 and 500.

create or replace function gmail_sync.sync_history(
  p_user_id text, p_limit integer default 20, p_before text default null
)
returns setof gmail_sync._run
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select *
  from gmail_sync._run r
  where r.user_id = p_user_id
    and (
      p_before is null
      or (r.started_at, r.task_id) < (
        select b.started_at, b.task_id
        from gmail_sync.user_sync_status b
        where b.task_id = p_before
          and b.user_id = p_user_id
      )
    )
  order by r.started_at desc, r.task_id desc
  limit gmail_sync._check_page_size(p_limit, 500);
$$;

comment on function gmail_sync.sync_history(text, integer, text) is
'The user''s runs, newest first, in pages.';

revoke all on function gmail_sync.sync_history(text, integer, text) from public;
grant execute on function gmail_sync.sync_history(text, integer, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
