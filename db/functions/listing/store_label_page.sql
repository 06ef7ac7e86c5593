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
  insert into gmail_sync.label_listing (user_id, message_id, label_id)
  select v_user_id, i.message_id, p_label_id
  from unnest(p_message_ids || case when p_is_last then array[''] else '{}' end) as i (message_id)
  on conflict do nothing;

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
