-- A step of what a run needs before it fetches. A new chain of runs begins its counts, messages
-- without a raw copy are queued, and due messages enter the counts. Each handles up to p_limit
-- messages, so no step grows with the mailbox. Returns where to go on, NULL when all is done.

create or replace function gmail_sync._prepare_sync(
  p_task_id text, p_user_id text, p_is_new boolean, p_after text, p_limit integer
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if gmail_sync._begin_counts(p_task_id, p_user_id, p_is_new, p_limit)
    and gmail_sync._enqueue_raw_backfill(p_task_id, p_user_id, p_limit)
  then
    return gmail_sync._count_due_messages(p_task_id, p_user_id, p_after, p_limit);
  end if;
  return p_after;
end;
$$;

comment on function gmail_sync._prepare_sync(text, text, boolean, text, integer) is
'A step of what a run needs before it fetches; NULL when all is done.';

revoke all on function gmail_sync._prepare_sync(text, text, boolean, text, integer) from public;
