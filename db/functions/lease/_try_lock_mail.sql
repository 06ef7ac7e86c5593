-- As _lock_mail, for whoever holds a run's row already and so must not wait: false when another
-- transaction has the user's mail.

create or replace function gmail_sync._try_lock_mail(p_user_id text)
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

comment on function gmail_sync._try_lock_mail(text) is
'Lock a user''s queue and mail if nobody else has; false when somebody does.';

revoke all on function gmail_sync._try_lock_mail(text) from public;
