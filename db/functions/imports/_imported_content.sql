-- The staged content of messages, as store_messages takes it. No row for no message. Labels are
-- those that the account has now; a run corrects them later. The history id is the one pinned
-- before the listing, so that later changes are applied.

create or replace function gmail_sync._imported_content(
  p_user_id text, p_import_keys text[], p_message_ids text[]
)
returns table (messages jsonb, raws bytea[])
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select jsonb_agg(c.message order by c.message_id), array_agg(c.raw order by c.message_id)
    from (
      -- An export may have a message twice.
      select distinct on (i.message_id) i.message_id,
        i.parsed || jsonb_build_object(
          'message_id', i.message_id,
          -- Gmail may have joined threads since the export.
          'thread_id', coalesce(q.thread_id, i.thread_id),
          'history_id', coalesce(a.listing_history_id, a.history_id),
          'label_ids', gmail_sync._imported_label_ids(p_user_id, i.label_ids, i.label_names)
        ) as message,
        case when a.content_mode = 'raw' then i.raw end as raw
      from gmail_sync.imported_message i
      join gmail_sync.account a on a.user_id = p_user_id
      left join gmail_sync.fetch_queue q
        on q.user_id = p_user_id
        and q.message_id = i.message_id
      where i.user_id = p_user_id
        and i.import_key = any (p_import_keys)
        and i.message_id = any (p_message_ids)
      order by i.message_id
    ) c
    having count(*) > 0;
end;
$$;

comment on function gmail_sync._imported_content(text, text[], text[]) is
'The staged content of messages, as store_messages takes it.';

revoke all on function gmail_sync._imported_content(text, text[], text[]) from public;
