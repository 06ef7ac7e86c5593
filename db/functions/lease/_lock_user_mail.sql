-- Makes the writers of a user's queue and mail wait for one another until their transactions
-- end: change numbers become visible in order, and no two lock the same rows crosswise.

create or replace function gmail_sync._lock_user_mail(p_user_id text)
returns void
language plpgsql
volatile
as $$
begin
  perform pg_advisory_xact_lock(hashtext('gmail_sync'), hashtext(p_user_id));
end;
$$;

comment on function gmail_sync._lock_user_mail(text) is
'Make the writers of a user''s queue and mail wait for one another.';

revoke all on function gmail_sync._lock_user_mail(text) from public;
