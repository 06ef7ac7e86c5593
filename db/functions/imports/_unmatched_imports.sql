-- How many of the given staged messages have no id. Some are stored already, in the same thread and
-- with the same Message-ID; the others have no match.

create or replace function gmail_sync._unmatched_imports(p_user_id text, p_import_keys text[])
returns table (known integer, unmatched integer)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select (count(*) filter (where u.is_stored))::integer,
      (count(*) filter (where not u.is_stored))::integer
    from (
      select exists (
        select
        from gmail_sync.message m
        where m.user_id = p_user_id
          and m.thread_id = i.thread_id
          and m.rfc822_message_id = i.parsed ->> 'rfc822_message_id'
      ) as is_stored
      from gmail_sync.imported_message i
      where i.user_id = p_user_id
        and i.import_key = any (p_import_keys)
        and i.message_id is null
    ) u;
end;
$$;

comment on function gmail_sync._unmatched_imports(text, text[]) is
'How many staged messages have no id: stored already, or without a match.';

revoke all on function gmail_sync._unmatched_imports(text, text[]) from public;
