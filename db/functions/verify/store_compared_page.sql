-- Stores a page of ids that Gmail lists, for compare_mailbox. p_comparison is a new UUID for each
-- comparison. Returns how many of the ids were not on an earlier page. end_comparison removes them;
-- prune_sync_history does it a day later, if the comparison was interrupted.

create or replace function gmail_sync.store_compared_page(
  p_user_id text, p_comparison uuid, p_message_ids text[]
)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_new integer;
begin
  perform gmail_sync._require_user_here(p_user_id);
  insert into gmail_sync.compared_message (user_id, comparison, message_id)
  select p_user_id, p_comparison, p.message_id
  from unnest(p_message_ids) as p (message_id)
  on conflict do nothing;
  get diagnostics v_new = row_count;
  return v_new;
end;
$$;

comment on function gmail_sync.store_compared_page(text, uuid, text[]) is
'Store a page of ids that Gmail lists, for compare_mailbox; returns how many are new.';

revoke all on function gmail_sync.store_compared_page(text, uuid, text[]) from public;
grant execute on function gmail_sync.store_compared_page(text, uuid, text[])
  to gmail_sync_service;
