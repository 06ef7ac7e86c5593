-- Deletes all mail of a user, what was still to be done about it, and the account; ends what runs.
-- What a run has touched goes after it has ended: a claim notes it without the locks of the mail.

create or replace function gmail_sync._delete_user_mail(p_user_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from gmail_sync.fetch_queue where user_id = p_user_id;
  delete from gmail_sync.imported_message where user_id = p_user_id;
  delete from gmail_sync.mail_import where user_id = p_user_id;
  delete from gmail_sync.listing where user_id = p_user_id;
  delete from gmail_sync.compared_message where user_id = p_user_id;
  delete from gmail_sync.label_listing where user_id = p_user_id;
  delete from gmail_sync.attachment where user_id = p_user_id;
  delete from gmail_sync.fetch_batch where user_id = p_user_id;
  -- Before the queue, as in _queue_lost_words.
  delete from gmail_sync.index_backlog where user_id = p_user_id;
  delete from gmail_sync.index_queue where user_id = p_user_id;
  delete from gmail_sync.message_words where user_id = p_user_id;
  delete from gmail_sync.message where user_id = p_user_id;
  delete from gmail_sync.mail_count where user_id = p_user_id;
  delete from gmail_sync.label where user_id = p_user_id;
  delete from gmail_sync.account where user_id = p_user_id;
  perform gmail_sync._cancel_runs_of_user(p_user_id);
  delete from gmail_sync.touched where user_id = p_user_id;
end;
$$;

comment on function gmail_sync._delete_user_mail(text) is
'Delete all mail of a user, and the account; end what runs.';

revoke all on function gmail_sync._delete_user_mail(text) from public;
