-- Stores a page of the list of a label's messages. A page that comes twice changes nothing. Raises
-- SY001 when the lease is gone.

create or replace function gmail_sync.store_label_page(
  p_task_id text, p_label_id text, p_message_ids text[], p_is_last boolean
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id gmail_sync.user_key := gmail_sync._fence(p_task_id)::gmail_sync.user_key;
begin
  insert into gmail_sync.label_page (user_id, label_id, message_ids, is_last)
  values (v_user_id, p_label_id, p_message_ids, p_is_last);

  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, '{}', '{}', 'listing', p_is_last or p_message_ids <> '{}'
  );
end;
$$;

comment on function gmail_sync.store_label_page(text, text, text[], boolean) is
'Store a page of the list of a label''s messages.';

revoke all on function gmail_sync.store_label_page(text, text, text[], boolean) from public;
grant execute on function gmail_sync.store_label_page(text, text, text[], boolean)
  to gmail_sync_service;
