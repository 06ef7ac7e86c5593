-- Deletes some of the mail of an account that begin_disconnect has closed: up to p_limit rows of
-- each table that grows with the mailbox. True when nothing is left for another step, or the
-- account is in use again. delete_account and disconnect_account delete the rest. So each
-- transaction is short, however large the mailbox is.
--
-- It also forgets the cursor: if the user connects again, a full sync fetches all mail. And readers
-- of changes are sent to the start, as there is no change for what is deleted here.
-- Raises SY003 for an invalid user id, or when p_limit is not between 1 and 10,000.

create or replace function gmail_sync.delete_mail_step(
  p_user_id text, p_limit integer default 5000
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user gmail_sync.user_key := gmail_sync._valid_user_id(p_user_id);
  v_limit integer := gmail_sync._check_page_size(p_limit, 10000);
  v_message_ids text[];
  v_messages bigint;
  v_with_raw bigint;
begin
  perform gmail_sync._lock_user_mail(v_user);
  if not exists (
    select from gmail_sync.account where user_id = v_user and status = 'disconnected'
  ) then
    return true;
  end if;
  update gmail_sync.account
  set history_id = null, listing_history_id = null, listing_page_token = null,
    listing_complete = false, reconciled_to = default, changes_begin = default
  where user_id = v_user;

  v_message_ids := array(
    select m.message_id
    from gmail_sync.message m
    where m.user_id = v_user
    order by m.message_id
    limit v_limit
  );
  perform gmail_sync._forget_words(v_user, v_message_ids);
  delete from gmail_sync.attachment where user_id = v_user and message_id = any (v_message_ids);
  with deleted as (
    delete from gmail_sync.message
    where user_id = v_user and message_id = any (v_message_ids)
    returning deleted_at is null as is_counted, raw is not null as has_raw
  )
  select count(*) filter (where is_counted), count(*) filter (where is_counted and has_raw)
  into v_messages, v_with_raw
  from deleted;
  perform gmail_sync._count_mail(v_user, -v_messages, -v_with_raw);
  return gmail_sync._delete_mail_lists(v_user, v_limit) and cardinality(v_message_ids) < v_limit;
end;
$$;

comment on function gmail_sync.delete_mail_step(text, integer) is
'Delete some of the mail of a closed account; true when nothing is left for another step.';

revoke all on function gmail_sync.delete_mail_step(text, integer) from public;
grant execute on function gmail_sync.delete_mail_step(text, integer) to gmail_sync_service;
