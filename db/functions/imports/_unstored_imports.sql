-- The ids of staged messages that are not stored. Those without an id are left out.

create or replace function gmail_sync._unstored_imports(p_user_id text, p_import_keys text[])
returns text[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_message_ids text[] := array(
    select i.message_id
    from gmail_sync.imported_message i
    where i.user_id = p_user_id
      and i.import_key = any (p_import_keys)
      and i.message_id is not null
  );
begin
  return array(
    select unnest(v_message_ids)
    except
    select k.import_key
    from gmail_sync.list_known_imports(p_user_id, v_message_ids) k
    where k.stored
  );
end;
$$;

comment on function gmail_sync._unstored_imports(text, text[]) is
'The ids of staged messages that are not stored.';

revoke all on function gmail_sync._unstored_imports(text, text[]) from public;
