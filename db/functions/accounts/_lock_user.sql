-- Begins the deletion of a user: waits for whatever is making rows of the user without the locks of
-- the mail, and for repairs and adoptions, which make rows of anybody; from here on _user_stays is
-- false. Before any other lock, so that nobody who is waited for can wait for us.

create or replace function gmail_sync._lock_user(p_user_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- First, for an adoption takes long: who waits for one keeps nobody else waiting.
  perform pg_advisory_xact_lock_shared(hashtext('gmail_sync repair'), 0);
  perform pg_advisory_xact_lock(hashtext('gmail_sync user'), hashtext(p_user_id));
  perform gmail_sync._lock_mail(p_user_id);
end;
$$;

comment on function gmail_sync._lock_user(text) is
'Begin the deletion of a user: nobody else makes rows of the user any more.';

revoke all on function gmail_sync._lock_user(text) from public;
