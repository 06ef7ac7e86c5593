-- The next pass of enqueue_due_syncs finds out when the user of a changed row is due. Nothing is
-- computed here: another transaction may be changing what the due time depends on, too. The pass
-- sees what both have committed.

create or replace function gmail_sync._recheck_schedule()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A run that a repair removes may have no user.
  insert into gmail_sync.schedule (user_id)
  select u.user_id
  from (select coalesce(new.user_id, old.user_id)) u (user_id)
  where u.user_id is not null;
  return null;
end;
$$;

comment on function gmail_sync._recheck_schedule() is
'Trigger: the next pass checks when a user is due.';

revoke all on function gmail_sync._recheck_schedule() from public;
