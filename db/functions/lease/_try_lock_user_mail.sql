-- Like _lock_user_mail, but does not wait, because the caller holds a run's row. False when another
-- transaction holds the lock.

create or replace function gmail_sync._try_lock_user_mail(p_user_id text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return pg_try_advisory_xact_lock(hashtext('gmail_sync'), hashtext(p_user_id));
end;
$$;

comment on function gmail_sync._try_lock_user_mail(text) is
'Lock a user''s queue and mail; false when another transaction holds the lock.';

revoke all on function gmail_sync._try_lock_user_mail(text) from public;
