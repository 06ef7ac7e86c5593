-- The next changes of a stream that make one event: neighbours of the same type, up to 500, and no
-- later than p_up_to. change_number is the last of them, read_to how far there is nothing else that
-- the webhook wants. type is NULL when nothing is wanted up to there; no row means no change.

create or replace function gmail_sync._next_changes(
  p_stream gmail_sync.webhook_stream, p_events text[], p_up_to bigint
)
returns table (
  type text, message_ids text[], change_number bigint, read_to bigint
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  with change as materialized (
    select m.change_number, m.message_id,
      case
        when m.deleted_at is not null then 'message.deleted'
        when m.created_number > p_stream.change_number then 'message.created'
        else 'message.updated'
      end as type
    from gmail_sync.message m
    where m.user_id = p_stream.user_id
      and m.change_number > p_stream.change_number
      and m.change_number <= p_up_to
    order by m.change_number
    limit 500
  ),
  wanted as (
    select c.* from change c where c.type = any (p_events)
  ),
  first as (
    select w.type from wanted w order by w.change_number limit 1
  ),
  other as (
    select min(w.change_number) as change_number
    from wanted w
    where w.type <> (select f.type from first f)
  )
  select (select f.type from first f),
    array_agg(c.message_id order by c.change_number)
      filter (where c.type = (select f.type from first f)),
    max(c.change_number) filter (where c.type = (select f.type from first f)),
    max(c.change_number)
  from change c
  cross join other o
  where o.change_number is null or c.change_number < o.change_number
  having count(*) > 0;
$$;

comment on function gmail_sync._next_changes(gmail_sync.webhook_stream, text[], bigint) is
'The next changes of a stream that make one event.';

revoke all on function gmail_sync._next_changes(gmail_sync.webhook_stream, text[], bigint)
  from public;
