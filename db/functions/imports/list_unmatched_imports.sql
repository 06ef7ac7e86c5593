-- Staged messages without an id that are to be matched with the complete listing, of p_limit
-- threads one each; no row when all were tried. Gmail's search finds their ids by Message-ID and
-- time of arrival. It need not be asked for those that are not wanted. is_sent is NULL if no label
-- of Gmail's own is known. Raises SY003 when p_limit is not between 1 and 100, SY001 when the lease
-- is gone.

create or replace function gmail_sync.list_unmatched_imports(
  p_task_id text, p_limit integer default 25
)
returns table (
  import_key text, rfc822_message_id text, arrived_at timestamptz, is_sent boolean, wanted boolean
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._lease_owner(p_task_id);
begin
  perform gmail_sync._check_page_size(p_limit, 100);
  return query
    -- One step an index entry, however many messages a thread has.
    with recursive first as (
      (
        select s.thread_id, s.import_key
        from gmail_sync.imported_message s
        where s.user_id = v_user_id
          and s.message_id is null
          and s.rfc822_message_id is not null
        order by s.thread_id, s.import_key
        limit 1
      )
      union all
      select n.thread_id, n.import_key
      from first f
      cross join lateral (
        select s.thread_id, s.import_key
        from gmail_sync.imported_message s
        where s.user_id = v_user_id
          and s.thread_id > f.thread_id
          and s.message_id is null
          and s.rfc822_message_id is not null
        order by s.thread_id, s.import_key
        limit 1
      ) n
    ),
    chosen as (
      select f.import_key from first f limit p_limit
    )
    select i.import_key, i.rfc822_message_id,
      gmail_sync._from_epoch_ms((i.parsed ->> 'internal_date')::numeric),
      case when i.label_ids <> '{}' then 'SENT' = any (i.label_ids) end,
      gmail_sync._is_wanted_import(i)
    from gmail_sync.imported_message i
    where i.user_id = v_user_id
      and i.import_key = any (array(select c.import_key from chosen c))
    order by i.thread_id;
end;
$$;

comment on function gmail_sync.list_unmatched_imports(text, integer) is
'Staged messages without an id that are to be matched; SY001 when the lease is gone.';

revoke all on function gmail_sync.list_unmatched_imports(text, integer) from public;
grant execute on function gmail_sync.list_unmatched_imports(text, integer) to gmail_sync_service;
