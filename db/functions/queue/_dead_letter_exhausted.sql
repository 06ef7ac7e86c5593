-- Dead-letters messages whose attempts are exhausted without an answer. Mail that kills its worker
-- looks like this.

create or replace function gmail_sync._dead_letter_exhausted(p_task_id text, p_user_id text)
returns void
language plpgsql
volatile
as $$
declare
  v_message_ids text[];
begin
  with spent as (
    update gmail_sync.fetch_queue q
    set dead = true,
      error_code = case when q.error_message is null then 'worker_lost' else q.error_code end,
      error_message = coalesce(q.error_message, format('no answer in %s tries', q.attempts))
    where q.user_id = p_user_id
      and not q.dead
      and q.attempts >= (select max_message_attempts from gmail_sync.settings)
    returning q.message_id
  )
  select array_agg(s.message_id) into v_message_ids from spent s;

  if v_message_ids is not null then
    perform gmail_sync._update_counts_fenced(
      p_task_id, p_user_id, v_message_ids,
      array_fill('failed'::text, array[cardinality(v_message_ids)]), 'fetching'
    );
  end if;
end;
$$;

comment on function gmail_sync._dead_letter_exhausted(text, text) is
'Dead-letter messages whose attempts are exhausted.';

revoke all on function gmail_sync._dead_letter_exhausted(text, text) from public;
