-- The count that each fetched message belongs into, in their order: new, updated (labels or
-- content changed) or unchanged. Arguments as store_messages.
--
-- In SQL, and so planned anew at each call: a plan that was made when the table was empty visits
-- all of the user's mail where a look-up by key is due, until the table is analyzed.

create or replace function gmail_sync._buckets(
  p_user_id text, p_message_ids text[], p_messages jsonb, p_raws bytea[]
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
          and (m.raw is not null or p_raws[e.n] is null) then 'unchanged'
        else 'updated'
      end
      order by e.n
    )
    from jsonb_array_elements(p_messages) with ordinality as e (message, n)
    left join gmail_sync.message m
      on m.user_id = p_user_id
      and m.message_id = e.message ->> 'message_id'
      and m.message_id = any (p_message_ids)
  );
end;
$$;

comment on function gmail_sync._buckets(text, text[], jsonb, bytea[]) is
'The count that each fetched message belongs into.';

revoke all on function gmail_sync._buckets(text, text[], jsonb, bytea[]) from public;
