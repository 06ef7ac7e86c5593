-- The count that each fetched message belongs into, in their order: new, updated (labels or
-- content changed) or unchanged. Arguments as store_messages.
--
-- Each is sought as the first from its id on: an order that only the primary key has. Asked for by
-- its id alone, a plan that was made while the table was empty may take any other index of the
-- user's and visit all their mail, until the table is analyzed.

create or replace function gmail_sync._buckets(
  p_user_id text, p_messages jsonb, p_raws bytea[]
)
returns text[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select array_agg(
      case
        when m.message_id is null then 'new'
        when m.deleted_at is null
          and m.label_ids = gmail_sync._label_ids(e.message -> 'label_ids')
          and (m.has_raw or p_raws[e.n] is null) then 'unchanged'
        else 'updated'
      end
      order by e.n
    )
    from jsonb_array_elements(p_messages) with ordinality as e (message, n)
    left join lateral (
      select s.message_id, s.deleted_at, s.label_ids, s.raw is not null as has_raw
      from gmail_sync.message s
      where s.user_id = p_user_id
        and s.message_id >= e.message ->> 'message_id'
      order by s.message_id
      limit 1
    ) m on m.message_id = e.message ->> 'message_id'
  );
end;
$$;

comment on function gmail_sync._buckets(text, jsonb, bytea[]) is
'The count that each fetched message belongs into.';

revoke all on function gmail_sync._buckets(text, jsonb, bytea[]) from public;
