-- Compares a user's mail with a complete listing of the mailbox: a row for each message that
-- differs. `missing`: in Gmail, neither stored nor queued. `queued`: to be fetched for the first
-- time. `failed`: in Gmail, and dead-lettered. `extra`: stored, not in Gmail. p_coming_ids are
-- messages that the next sync adds or removes anyway; they are left out.

create or replace function gmail_sync.compare_mailbox(
  p_user_id text, p_remote_ids text[], p_coming_ids text[]
)
returns table (message_id text, drift text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  -- Set operations, not joins: the planner cannot estimate the length of an array, and would
  -- compare every pair.
  with remote as materialized (
    select unnest(p_remote_ids) as message_id
    except
    select unnest(p_coming_ids)
  ),
  stored as materialized (
    select m.message_id
    from gmail_sync.message m
    where m.user_id = p_user_id and m.deleted_at is null
    except
    select unnest(p_coming_ids)
  ),
  queue as materialized (
    select q.message_id, q.dead from gmail_sync.fetch_queue q where q.user_id = p_user_id
  ),
  absent as materialized (
    select r.message_id from remote r except select s.message_id from stored s
  )
  (select a.message_id, 'missing' from absent a except select q.message_id, 'missing' from queue q)
  union all
  (
    select a.message_id, 'queued' from absent a
    intersect
    select q.message_id, 'queued' from queue q where not q.dead
  )
  union all
  (
    select r.message_id, 'failed' from remote r
    intersect
    select q.message_id, 'failed' from queue q where q.dead
  )
  union all
  (select s.message_id, 'extra' from stored s except select r.message_id, 'extra' from remote r)
  order by 2, 1;
$$;

comment on function gmail_sync.compare_mailbox(text, text[], text[]) is
'Compare a user''s mail with a complete listing of the mailbox: what differs.';

revoke all on function gmail_sync.compare_mailbox(text, text[], text[]) from public;
grant execute on function gmail_sync.compare_mailbox(text, text[], text[]) to gmail_sync_service;
