-- Ends the staging of an import, of whose messages p_known were stored before, and starts the full
-- sync that joins the staged ones. A full sync that is fetching already hands over to a successor,
-- which joins them before it fetches more. Returns the task_id of the run. Raises SY002 when the
-- mailbox p_email is not connected, SY005 when a person starts runs too often.

create or replace function gmail_sync.finish_import(
  p_user_id text, p_email text, p_known integer
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claimed text;
begin
  perform gmail_sync._lock_mailbox(p_user_id, p_email);
  update gmail_sync.mail_import set known = p_known, own = null where user_id = p_user_id;

  select r.task_id into v_claimed
  from gmail_sync.user_sync_status r
  where r.user_id = p_user_id
    and r.is_syncing
    and r.claimed_at is not null
    and r.sync_type = 'full';
  if found then
    -- They did not cause this, so no attempt is charged.
    perform gmail_sync.return_messages(v_claimed);
    perform gmail_sync.handover_sync(
      v_claimed, 'an import is to be joined first', clock_timestamp(), false, 'import_first'
    );
  end if;
  return gmail_sync.start_sync_idempotent(p_user_id, true, 'sql');
end;
$$;

comment on function gmail_sync.finish_import(text, text, integer) is
'End the staging of an import and start the full sync that joins it.';

revoke all on function gmail_sync.finish_import(text, text, integer) from public;
grant execute on function gmail_sync.finish_import(text, text, integer) to gmail_sync_service;
