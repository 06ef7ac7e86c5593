-- The newest p_limit messages of a time whose words are not indexed. They wait in index_queue. If
-- words were lost, some are not even queued yet, see _queue_lost_words.
--
-- It pins no path, so the planner can put it into the functions that call it for each period.

create or replace function gmail_sync._unindexed_messages(
  p_user_id text, p_since timestamptz, p_until timestamptz, p_until_id text, p_limit integer
)
returns table (message_id text, internal_date timestamptz)
language sql
stable
as $$
  -- A message can be in both. One whose date has changed can be queued under both dates.
  (
    select q.message_id, q.internal_date
    from gmail_sync.index_queue q
    where q.user_id = p_user_id
      and q.internal_date >= p_since
      and (q.internal_date, q.message_id) < (p_until, p_until_id)
      and not exists (
        select from gmail_sync.message_words i
        where i.user_id = p_user_id and i.message_id = q.message_id
      )
    order by q.internal_date desc, q.message_id desc
    limit p_limit
  )
  union
  select m.message_id, m.internal_date
  from (
    select b.before_date, b.before_id
    from gmail_sync.index_backlog b
    where b.user_id = p_user_id
    union all
    select 'infinity', ''
    where not exists (select from gmail_sync.message_words where user_id = '' and message_id = '')
    order by 1 desc
    limit 1
  ) l
  cross join lateral (
    select m.message_id, m.internal_date
    from gmail_sync.message m
    where m.user_id = p_user_id
      and m.internal_date >= p_since
      and (m.internal_date, m.message_id) < (p_until, p_until_id)
      and (m.internal_date, m.message_id) < (l.before_date, l.before_id)
      and m.deleted_at is null
      and not exists (
        select from gmail_sync.message_words i
        where i.user_id = p_user_id and i.message_id = m.message_id
      )
    order by m.internal_date desc, m.message_id desc
    limit p_limit
  ) m
  order by 2 desc, 1 desc
  limit p_limit;
$$;

comment on function gmail_sync._unindexed_messages(
  text, timestamptz, timestamptz, text, integer
) is
'The newest messages of a time whose words are not indexed.';

revoke all on function gmail_sync._unindexed_messages(
  text, timestamptz, timestamptz, text, integer
) from public;
