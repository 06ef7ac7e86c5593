-- How many messages a thread has and which labels, of its newest 100 messages. Deleted mail, trash
-- and spam are left out.

create or replace function gmail_sync._summarize_thread(p_user_id text, p_thread_id text)
returns table (message_count integer, label_ids text[])
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select count(distinct m.message_id)::integer,
    coalesce(array_agg(distinct l.id order by l.id) filter (where l.id is not null), '{}')
  from (
    select n.message_id, n.label_ids
    from gmail_sync.message n
    where n.user_id = p_user_id
      and n.thread_id = p_thread_id
      and n.deleted_at is null
      and not n.label_ids && '{SPAM,TRASH}'
    order by n.internal_date desc
    limit 100
  ) m
  left join lateral unnest(m.label_ids) as l (id) on true;
$$;

comment on function gmail_sync._summarize_thread(text, text) is
'How many messages a thread has and which labels, of its newest 100 messages.';

revoke all on function gmail_sync._summarize_thread(text, text) from public;
