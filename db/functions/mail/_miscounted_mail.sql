-- Users whose stored mail is not what mail_count says, for check_sync_consistency, whose caller has
-- no right to read the tables. It reads all mail.

create or replace function gmail_sync._miscounted_mail()
returns table (user_id text, explanation text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select user_id::text,
    format(
      '%s messages are counted, %s with a raw copy; %s and %s are stored',
      coalesce(c.messages, 0), coalesce(c.with_raw, 0), coalesce(m.messages, 0),
      coalesce(m.with_raw, 0)
    )
  from gmail_sync.mail_count c
  full join (
    select user_id, count(*) as messages, count(raw) as with_raw
    from gmail_sync.message
    where deleted_at is null
    group by user_id
  ) m using (user_id)
  where (coalesce(c.messages, 0), coalesce(c.with_raw, 0))
    <> (coalesce(m.messages, 0), coalesce(m.with_raw, 0))
    -- Mail that moves to another node or comes from there is not counted yet.
    and gmail_sync._user_slot(user_id) <> all (array(select slot from gmail_sync.slot_elsewhere));
$$;

comment on function gmail_sync._miscounted_mail() is
'Users whose stored mail is not what mail_count says.';

revoke all on function gmail_sync._miscounted_mail() from public;
grant execute on function gmail_sync._miscounted_mail() to gmail_sync_dba, gmail_sync_service;
