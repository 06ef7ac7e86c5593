-- Those of the given staged messages that a run is to fetch. Without raw copies they are not enough
-- for an account that keeps those.

create or replace function gmail_sync._joinable_imports(
  p_user_id text, p_import_keys text[], p_message_ids text[]
)
returns text[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = p_user_id
      and q.message_id = any (p_message_ids)
      and not q.dead
    intersect
    select i.message_id
    from gmail_sync.imported_message i
    join gmail_sync.account a on a.user_id = i.user_id
    where i.user_id = p_user_id
      and i.import_key = any (p_import_keys)
      and i.message_id = any (p_message_ids)
      and (a.content_mode = 'full' or i.raw is not null)
    order by 1
  );
end;
$$;

comment on function gmail_sync._joinable_imports(text, text[], text[]) is
'Those of the given staged messages that a run is to fetch.';

revoke all on function gmail_sync._joinable_imports(text, text[], text[]) from public;
