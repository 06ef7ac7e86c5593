-- Makes _keep_activity count all buckets again. A repair or an adoption calls this before it
-- changes ended runs.

create or replace function gmail_sync._forget_activity()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update gmail_sync.activity_state
  set counted_to = default, closing_at = null, closing_xid = null
  where counted_to > '-infinity';
  if found then
    delete from gmail_sync.activity;
  end if;
end;
$$;

comment on function gmail_sync._forget_activity() is
'Make _keep_activity count all buckets again.';

revoke all on function gmail_sync._forget_activity() from public;
