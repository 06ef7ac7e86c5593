-- Whether messages of a user's import that Gmail no longer lists are to be stored as deleted. Never
-- if hardly any of the export is in this mailbox: then it is another person's. That is decided once
-- for an import, with the first messages that are joined.

create or replace function gmail_sync._keeps_deleted_imports(p_user_id text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_import gmail_sync.mail_import;
  v_staged text[];
  v_listed integer;
begin
  select * into v_import from gmail_sync.mail_import i where i.user_id = p_user_id;
  if v_import.own is null and v_import.user_id is not null then
    v_staged := array(
      select i.message_id
      from gmail_sync.imported_message i
      where i.user_id = p_user_id and i.message_id is not null
    );
    v_listed := cardinality(v_staged)
      - cardinality(gmail_sync._unlisted_imports(p_user_id, v_staged));
    update gmail_sync.mail_import
    set own = 100 * (known + v_listed) >= (known + cardinality(v_staged))
    where user_id = p_user_id
    returning * into v_import;
  end if;
  return coalesce(v_import.keep_deleted and v_import.own, false);
end;
$$;

comment on function gmail_sync._keeps_deleted_imports(text) is
'Whether messages of an import that Gmail no longer lists are to be stored as deleted.';

revoke all on function gmail_sync._keeps_deleted_imports(text) from public;
