-- Adds to the counts of a user's stored mail. The caller holds the lock of the user's mail.

create or replace function gmail_sync._count_mail(
  p_user_id text, p_messages bigint, p_with_raw bigint
)
returns void
language plpgsql
volatile
as $$
begin
  if p_messages <> 0 or p_with_raw <> 0 then
    insert into gmail_sync.mail_count as c (user_id, messages, with_raw)
    values (p_user_id, p_messages, p_with_raw)
    on conflict (user_id) do update
    set messages = c.messages + excluded.messages, with_raw = c.with_raw + excluded.with_raw;
  end if;
end;
$$;

comment on function gmail_sync._count_mail(text, bigint, bigint) is
'Add to the counts of a user''s stored mail.';

revoke all on function gmail_sync._count_mail(text, bigint, bigint) from public;
