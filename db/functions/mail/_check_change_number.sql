-- Raises SY007 when the changes after a number no longer say all. Either the user's mail has been
-- deleted as a whole since, without a change for each message. Or the database has been restored
-- to a time before that number.

create or replace function gmail_sync._check_change_number(p_user_id text, p_after bigint)
returns void
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_after > 0 and not exists (
    select
    from gmail_sync.account a
    cross join gmail_sync.message_change s
    where a.user_id = p_user_id
      and p_after between a.changes_begin and s.last_value
  ) then
    raise exception 'the changes of user % after % are not known', p_user_id, p_after
      using errcode = 'SY007',
        hint = 'Drop your copy of the mail, and read all changes from the start (0).';
  end if;
end;
$$;

comment on function gmail_sync._check_change_number(text, bigint) is
'Raise SY007 when the changes after a number no longer say all.';

revoke all on function gmail_sync._check_change_number(text, bigint) from public;
