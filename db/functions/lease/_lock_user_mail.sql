-- Serialises the writers of a user's queue and mail until their transactions end. So change numbers
-- become visible in order, and writers cannot deadlock.

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
'Serialise the writers of a user''s queue and mail.';

revoke all on function gmail_sync._lock_user_mail(text) from public;
