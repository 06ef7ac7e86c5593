-- Counts a user's stored mail once more, which reads all of it. Returns what it did.

create or replace function gmail_sync._recount_mail(p_user_id text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._lock_user_mail(p_user_id);
  delete from gmail_sync.mail_count where user_id = p_user_id;
  perform gmail_sync._count_mail(p_user_id, count(*), count(raw))
  from gmail_sync.message
  where user_id = p_user_id
    and deleted_at is null;
  return 'counted again';
end;
$$;

comment on function gmail_sync._recount_mail(text) is
'Count a user''s stored mail once more.';

revoke all on function gmail_sync._recount_mail(text) from public;
