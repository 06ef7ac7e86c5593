-- After a loss of message_words, queues all stored messages for index_messages again: a thousand a
-- call, user by user. If the table is unlogged, a crash of Postgres empties it, and so does a
-- restore or a failover. A row of no user goes with the words, so its absence shows the loss, and
-- a second one too.
--
-- Until a message is queued, _unindexed_messages reads it from index_backlog.

create or replace function gmail_sync._queue_lost_words()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_piece constant integer := 1000;
  v_lost gmail_sync.index_backlog;
  v_dates timestamptz[];
  v_ids text[];
begin
  insert into gmail_sync.message_words (user_id, message_id, internal_date, words)
  values ('', '', '-infinity', '')
  on conflict do nothing;
  if found then
    insert into gmail_sync.index_backlog (user_id)
    select c.user_id from gmail_sync.mail_count c where c.messages > 0
    on conflict (user_id) do update set before_date = default, before_id = default;
  end if;

  select * into v_lost
  from gmail_sync.index_backlog
  order by user_id
  limit 1
  for update skip locked;
  if not found then
    return;
  end if;
  select array_agg(m.internal_date), array_agg(m.message_id) into v_dates, v_ids
  from (
    select m.internal_date, m.message_id
    from gmail_sync.message m
    where m.user_id = v_lost.user_id
      and (m.internal_date, m.message_id) < (v_lost.before_date, v_lost.before_id)
    order by m.internal_date desc, m.message_id desc
    limit v_piece
  ) m;
  insert into gmail_sync.index_queue (user_id, internal_date, message_id)
  select v_lost.user_id, m.internal_date, m.message_id
  from unnest(v_dates, v_ids) m (internal_date, message_id)
  on conflict do nothing;
  if cardinality(v_ids) = v_piece then
    update gmail_sync.index_backlog
    set before_date = v_dates[v_piece], before_id = v_ids[v_piece]
    where user_id = v_lost.user_id;
  else
    delete from gmail_sync.index_backlog where user_id = v_lost.user_id;
  end if;
end;
$$;

comment on function gmail_sync._queue_lost_words() is
'After a loss of message_words, queue all stored messages for index_messages again.';

revoke all on function gmail_sync._queue_lost_words() from public;
