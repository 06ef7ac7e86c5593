-- Removes the ids that store_compared_page stored for a comparison.

create or replace function gmail_sync.end_comparison(p_user_id text, p_comparison uuid)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._require_user_here(p_user_id);
  delete from gmail_sync.compared_message
  where user_id = p_user_id
    and comparison = p_comparison;
end;
$$;

comment on function gmail_sync.end_comparison(text, uuid) is
'Remove the ids that were stored for a comparison.';

revoke all on function gmail_sync.end_comparison(text, uuid) from public;
grant execute on function gmail_sync.end_comparison(text, uuid) to gmail_sync_service;
