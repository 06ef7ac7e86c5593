-- Dead-letters messages whose attempts are exhausted without an answer. Mail that kills its worker
-- looks like this.

create or replace function gmail_sync._dead_letter_exhausted(p_task_id text, p_user_id text)
returns void
language plpgsql
volatile
as $$
declare
  -- The first of an order that only the index has. The planner cannot know how few these are, and
  -- would read the whole queue at each take. More than a thousand wait for the next take.
  v_message_ids text[] := array(
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = p_user_id
      and not q.dead
      and q.attempts >= (select max_message_attempts from gmail_sync.settings)
    order by q.attempts desc, q.position desc
    limit 1000
  );
begin
  if v_message_ids = '{}' then
    return;
  end if;
  update gmail_sync.fetch_queue q
  set dead = true,
    error_code = case when q.error_message is null then 'worker_lost' else q.error_code end,
    error_message = coalesce(q.error_message, format('no answer in %s tries', q.attempts))
  where q.user_id = p_user_id
    and q.message_id = any (v_message_ids);
  perform gmail_sync._update_counts_fenced(
    p_task_id, p_user_id, v_message_ids,
    array_fill('failed'::text, array[cardinality(v_message_ids)]), 'fetching'
  );
end;
$$;

comment on function gmail_sync._dead_letter_exhausted(text, text) is
'Dead-letter messages whose attempts are exhausted.';

revoke all on function gmail_sync._dead_letter_exhausted(text, text) from public;
