-- The number of the try after this one, counted in a row without progress.

create or replace function gmail_sync._next_attempt(p_run gmail_sync.user_sync_status)
returns integer
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_run.claimed_at is null then p_run.attempt
    when p_run.progressed_at is not null then 1
    else p_run.attempt + 1
  end;
$$;

comment on function gmail_sync._next_attempt(gmail_sync.user_sync_status) is
'The number of the try after this run, counted in a row without progress.';

revoke all on function gmail_sync._next_attempt(gmail_sync.user_sync_status) from public;
