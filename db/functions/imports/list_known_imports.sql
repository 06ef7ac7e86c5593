-- Those of the given messages of an export that are stored, or else staged. A message is named by
-- its id, or where the export has none by a hash of its content, which is found only if staged.

create or replace function gmail_sync.list_known_imports(p_user_id text, p_import_keys text[])
returns table (import_key text, stored boolean)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select k.import_key, found.stored
    from unnest(p_import_keys) as k (import_key)
    -- Each is the first from its id on, as in _fetch_state.
    cross join lateral (
      (
        select m.message_id as id, true as stored
        from gmail_sync.message m
        where m.user_id = p_user_id and m.message_id >= k.import_key
        order by m.message_id
        limit 1
      )
      union all
      (
        select i.import_key, false
        from gmail_sync.imported_message i
        where i.user_id = p_user_id and i.import_key >= k.import_key
        order by i.import_key
        limit 1
      )
    ) found
    where found.id = k.import_key;
end;
$$;

comment on function gmail_sync.list_known_imports(text, text[]) is
'Those of the given messages of an export that are stored or staged.';

revoke all on function gmail_sync.list_known_imports(text, text[]) from public;
grant execute on function gmail_sync.list_known_imports(text, text[]) to gmail_sync_service;
