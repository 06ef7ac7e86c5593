-- Whether a message that the export gives no id may be one that a run is to fetch: its thread has
-- such messages. No other staged message of that thread has its Message-ID, time of arrival and
-- place. An answer would not say which of them is meant.

create or replace function gmail_sync._is_wanted_import(p_import gmail_sync.imported_message)
returns boolean
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_queued text[] := array(
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = p_import.user_id
      -- Not an equation; see _due_of_thread.
      and q.thread_id between p_import.thread_id and p_import.thread_id
      and not q.dead
    order by q.thread_id, q.position
  );
begin
  return exists (
      select from gmail_sync._fetch_state(p_import.user_id, v_queued) w where not w.known
    )
    and not exists (
      select
      from gmail_sync.imported_message o
      where o.user_id = p_import.user_id
        and o.thread_id between p_import.thread_id and p_import.thread_id
        and o.message_id is null
        -- Unlike its own column, it stays when it was tried.
        and o.parsed ->> 'rfc822_message_id' = p_import.rfc822_message_id
        and o.parsed ->> 'internal_date' = p_import.parsed ->> 'internal_date'
        and (
          'SENT' = any (o.label_ids) = ('SENT' = any (p_import.label_ids))
          or '{}' in (o.label_ids, p_import.label_ids)
        )
        and o.import_key <> p_import.import_key
    );
end;
$$;

comment on function gmail_sync._is_wanted_import(gmail_sync.imported_message) is
'Whether a message without an id may be one that a run is to fetch.';

revoke all on function gmail_sync._is_wanted_import(gmail_sync.imported_message) from public;
