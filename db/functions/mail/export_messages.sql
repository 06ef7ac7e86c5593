-- A page of a user's mail with its labels and raw copies (NULL where there is none), oldest first,
-- deleted mail left out. p_after is the last message_id of the page before; no more than p_bytes of
-- raw copies together, but one message at least. Raises SY003 when p_limit is not between 1 and
-- 1,000, or there is no message p_after.

create or replace function gmail_sync.export_messages(
  p_user_id text, p_after text default null, p_limit integer default 100,
  p_bytes bigint default 8388608
)
returns table (
  message_id text, thread_id text, internal_date timestamptz, label_ids text[], raw bytea
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit integer := gmail_sync._check_page_size(p_limit, 1000);
  v_after_date timestamptz := timestamptz '-infinity';
begin
  if p_after is not null then
    select a.internal_date into v_after_date
    from gmail_sync.message a
    where a.user_id = p_user_id and a.message_id = p_after;
    if not found then
      raise exception 'there is no message % to go on after', p_after using errcode = 'SY003';
    end if;
  end if;

  return query
    with page as (
      select e.message_id, e.internal_date, octet_length(e.raw) as size
      from gmail_sync.message e
      where e.user_id = p_user_id
        and e.deleted_at is null
        and (e.internal_date, e.message_id) > (v_after_date, coalesce(p_after, ''))
      order by e.internal_date, e.message_id
      limit v_limit
    ),
    numbered as (
      select p.message_id, row_number() over older as n, sum(p.size) over older as bytes
      from page p
      window older as (order by p.internal_date, p.message_id)
    )
    select m.message_id, m.thread_id, m.internal_date, m.label_ids, m.raw
    from numbered p
    -- Each by its key (limit 1): a join might read all of the user's mail for each page.
    cross join lateral (
      select s.message_id, s.thread_id, s.internal_date, s.label_ids, s.raw
      from gmail_sync.message s
      where s.user_id = p_user_id and s.message_id = p.message_id
      limit 1
    ) m
    where p.n = 1 or coalesce(p.bytes, 0) <= p_bytes
    order by p.n;
end;
$$;

comment on function gmail_sync.export_messages(text, text, integer, bigint) is
'A page of a user''s mail with its labels and raw copies, oldest first.';

revoke all on function gmail_sync.export_messages(text, text, integer, bigint) from public;
grant execute on function gmail_sync.export_messages(text, text, integer, bigint)
  to gmail_sync_service;
