-- Continues what claim_sync has begun for a run: p_after is its counted_to, and then the result of
-- the call before. NULL when all is prepared. A repeated call counts nothing twice. Raises SY001
-- when the lease is gone, SY003 when p_limit is not between 1 and 10,000.

create or replace function gmail_sync.prepare_sync(
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
  v_last text := gmail_sync._prepare_sync(
    p_task_id, v_user_id, false, p_after, gmail_sync._check_page_size(p_limit, 10000)
  );
begin
  perform gmail_sync._update_counts_fenced(p_task_id, v_user_id, '{}', '{}', 'listing', false);
  return v_last;
end;
$$;

comment on function gmail_sync.prepare_sync(text, text, integer) is
'Continue the preparation of a claimed run; NULL when all is prepared.';

revoke all on function gmail_sync.prepare_sync(text, text, integer) from public;
grant execute on function gmail_sync.prepare_sync(text, text, integer) to gmail_sync_service;
