-- Whether a list of each label's messages costs less than a fetch of each known message. Those are
-- listed, queued and stored, so only their labels can have changed. False if calls have no price.

create or replace function gmail_sync._label_lists_are_cheaper(p_user_id text)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  with price as (
    select
      max(c.units) filter (where c.method = 'messages.get' and c.format = 'minimal') as get,
      max(c.units) filter (where c.method = 'messages.list') as list
    from gmail_sync.account a
    join gmail_sync.quota_cost c on c.profile = a.quota_profile
    where a.user_id = p_user_id
  ),
  known as (
    select count(*) as messages, avg(m.labels) as labels_each
    from (
      select q.message_id from gmail_sync.fetch_queue q where q.user_id = p_user_id and not q.dead
      intersect
      select l.message_id from gmail_sync.listing l where l.user_id = p_user_id
      -- So many decide it for a mailbox of any size.
      limit 100000
    ) queued
    join gmail_sync.account a on a.user_id = p_user_id
    -- Each is the first from its id on, as in _fetch_state.
    cross join lateral (
      select s.message_id, cardinality(s.label_ids) as labels,
        s.deleted_at is null and (a.content_mode = 'full' or s.raw is not null) as known
      from gmail_sync.message s
      where s.user_id = p_user_id
        and s.message_id >= queued.message_id
      order by s.message_id
      limit 1
    ) m
    where m.message_id = queued.message_id
      and m.known
  )
  select coalesce(known.messages * price.get > price.list * (
    -- Each list has a last page that is not full. A page has 500 ids.
    (select count(*) from gmail_sync.label where user_id = p_user_id)
    + known.labels_each / 500
      * (select count(*) from gmail_sync.listing where user_id = p_user_id)
  ), false)
  from known, price;
$$;

comment on function gmail_sync._label_lists_are_cheaper(text) is
'Whether lists of each label''s messages cost less than a fetch of each known message.';

revoke all on function gmail_sync._label_lists_are_cheaper(text) from public;
