-- Deletes up to p_limit rows of each table, but those of the mail itself, that grows with a user's
-- mailbox. True when none is left.

create or replace function gmail_sync._delete_mail_lists(p_user_id text, p_limit integer)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_queued integer;
  v_touched integer;
  v_compared integer;
  v_imported integer;
begin
  delete from gmail_sync.fetch_queue
  where ctid = any (array(
    select q.ctid from gmail_sync.fetch_queue q where q.user_id = p_user_id limit p_limit
  ));
  get diagnostics v_queued = row_count;
  delete from gmail_sync.touched
  where ctid = any (array(
    select t.ctid from gmail_sync.touched t where t.user_id = p_user_id limit p_limit
  ));
  get diagnostics v_touched = row_count;
  delete from gmail_sync.compared_message
  where ctid = any (array(
    select c.ctid from gmail_sync.compared_message c where c.user_id = p_user_id limit p_limit
  ));
  get diagnostics v_compared = row_count;
  delete from gmail_sync.imported_message
  where ctid = any (array(
    select i.ctid from gmail_sync.imported_message i where i.user_id = p_user_id limit p_limit
  ));
  get diagnostics v_imported = row_count;
  return gmail_sync._delete_listing(p_user_id, p_limit)
    and p_limit > all (array[v_queued, v_touched, v_compared, v_imported]);
end;
$$;

comment on function gmail_sync._delete_mail_lists(text, integer) is
'Delete some rows of each table that grows with a mailbox, but the mail; true when none is left.';

revoke all on function gmail_sync._delete_mail_lists(text, integer) from public;
