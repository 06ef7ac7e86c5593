-- Joins some staged messages with the complete listing, and removes them from the staging. Listed
-- and queued ones are stored and counted as new; they stay queued for their labels. Those that
-- Gmail no longer lists are dropped, or stored as deleted where the import asks for that. Those
-- without an id, or without what the account keeps, are fetched. Others are stored already.
--
-- At most p_limit messages of p_bytes together, but at least one. True while there are more. Raises
-- SY003 when p_limit is not between 1 and 10,000 or the listing is not complete, SY001 when the
-- lease is gone.

create or replace function gmail_sync.join_imported_messages(
  p_task_id text, p_limit integer default 500, p_bytes bigint default 16777216
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id gmail_sync.user_key := gmail_sync._fence(p_task_id)::gmail_sync.user_key;
  v_keys text[] := gmail_sync._next_imported(
    v_user_id, gmail_sync._check_page_size(p_limit, 10000), p_bytes
  );
  v_message_ids text[];
  v_joined text[];
  v_unlisted text[];
  v_kept text[] := array[]::text[];
begin
  if not exists (
    select from gmail_sync.account where user_id = v_user_id and listing_complete
  ) then
    raise exception 'the listing of user % is not complete', v_user_id
      using errcode = 'SY003', hint = 'Store the remaining pages first.';
  end if;

  v_message_ids := gmail_sync._unstored_imports(v_user_id, v_keys);
  v_joined := gmail_sync._joinable_imports(v_user_id, v_keys, v_message_ids);
  perform gmail_sync._write_messages(v_user_id, i.messages, i.raws)
  from gmail_sync._imported_content(v_user_id, v_keys, v_joined) i;
  v_unlisted := gmail_sync._unlisted_imports(v_user_id, v_message_ids);
  if gmail_sync._keeps_deleted_imports(v_user_id) then
    v_kept := v_unlisted;
    perform gmail_sync._store_deleted(v_user_id, i.messages, i.raws)
    from gmail_sync._imported_content(v_user_id, v_keys, v_kept) i;
  end if;

  update gmail_sync.mail_import i
  set joined = i.joined + cardinality(v_joined),
    kept = i.kept + cardinality(v_kept),
    dropped = i.dropped + cardinality(v_unlisted) - cardinality(v_kept),
    known = i.known + u.known,
    unmatched = i.unmatched + u.unmatched
  from gmail_sync._unmatched_imports(v_user_id, v_keys) u
  where i.user_id = v_user_id;
  delete from gmail_sync.imported_message
  where user_id = v_user_id and import_key = any (v_keys);
  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_joined,
    array_fill('new'::text, array[cardinality(v_joined)]), 'fetching'
  );
  update gmail_sync.user_sync_status
  set imported = imported + cardinality(v_joined)
  where task_id = p_task_id;
  return exists (select from gmail_sync.imported_message where user_id = v_user_id);
end;
$$;

comment on function gmail_sync.join_imported_messages(text, integer, bigint) is
'Join some staged messages with the complete listing; true while there are more.';

revoke all on function gmail_sync.join_imported_messages(text, integer, bigint) from public;
grant execute on function gmail_sync.join_imported_messages(text, integer, bigint)
  to gmail_sync_service;
