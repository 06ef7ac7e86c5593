-- Enters more due messages into the counts of a run, after those that its claim has counted.
-- p_after is counted_to of claim_sync, and then the result of the call before. NULL when all are
-- counted. A repeated call counts nothing twice. Raises SY001 when the lease is gone, SY003 when
-- p_limit is not between 1 and 10,000.

create or replace function gmail_sync.count_due_messages(
  p_task_id text, p_after text, p_limit integer default 5000
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_last text := gmail_sync._count_due_messages(
    p_task_id, v_user_id, p_after, gmail_sync._check_page_size(p_limit, 10000)
  );
begin
  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', 'listing', false);
  return v_last;
end;
$$;

comment on function gmail_sync.count_due_messages(text, text, integer) is
'Enter more due messages into the counts of a run; NULL when all are counted.';

revoke all on function gmail_sync.count_due_messages(text, text, integer) from public;
grant execute on function gmail_sync.count_due_messages(text, text, integer)
  to gmail_sync_service;
