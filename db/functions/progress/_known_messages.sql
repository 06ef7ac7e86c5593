-- How many of the p_messages that a full sync has left are stored or imported already. Only their
-- labels can have changed. The others are as many as Gmail has more than those. Kept counts say
-- that, so it costs the same in a mailbox of any size. Messages deleted in Gmail make the result
-- too large. An import of 10,000 messages counts as one of all.

create or replace function gmail_sync._known_messages(
  p_run gmail_sync.user_sync_status, p_messages bigint
)
returns bigint
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_imported bigint := (
    select count(*)
    from (
      select from gmail_sync.imported_message i where i.user_id = p_run.user_id limit 10000
    ) staged
  );
begin
  return coalesce((
    select case
      when v_imported = 10000 then p_messages
      else greatest(0, p_messages - greatest(0, a.messages_total - v_imported - coalesce(
        case a.content_mode when 'raw' then c.with_raw else c.messages end, 0
      )))
    end
    from gmail_sync.account a
    left join gmail_sync.mail_count c on c.user_id = a.user_id
    where a.user_id = p_run.user_id
      and a.listing_history_id is not null
  ), 0);
end;
$$;

comment on function gmail_sync._known_messages(gmail_sync.user_sync_status, bigint) is
'How many of the messages that a full sync has left are stored or imported already.';

revoke all on function gmail_sync._known_messages(gmail_sync.user_sync_status, bigint)
  from public;
