create or replace function gmail_sync._recheck_schedules()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into gmail_sync.schedule (user_id)
  select user_id from gmail_sync.account where status = 'connected';
  return null;
end;
$$;

comment on function gmail_sync._recheck_schedules() is
'Trigger: the next passes check when each user is due.';

revoke all on function gmail_sync._recheck_schedules() from public;
