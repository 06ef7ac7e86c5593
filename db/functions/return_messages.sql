-- Gives back messages that were taken but not tried, with the attempt they were charged;
-- p_not_before says when they are due again. Raises SY001 when the lease is gone.

create or replace function gmail_sync.return_messages(
  p_task_id text, p_message_ids text[], p_not_before timestamptz default null
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
begin
  update gmail_sync.fetch_queue
  set attempts = greatest(0, attempts - 1),
    taken_by = null,
    not_before = least(
      coalesce(p_not_before, not_before), clock_timestamp() + interval '24 hours'
    )
  where user_id = v_user_id
    and message_id = any (p_message_ids)
    and taken_by = p_task_id;

  perform gmail_sync._count(p_task_id, v_user_id, '{}', '{}', null, false);
end;
$$;

comment on function gmail_sync.return_messages(text, text[], timestamptz) is
'Give back messages that were taken but not tried.';

revoke all on function gmail_sync.return_messages(text, text[], timestamptz) from public;
grant execute on function gmail_sync.return_messages(text, text[], timestamptz)
  to gmail_sync_service;
