-- Compares a user's mail with the ids that store_compared_page has stored of the whole mailbox: a
-- row for each message that differs. `missing`: in Gmail, neither stored nor queued. `queued`: to
-- be fetched for the first time. `failed`: in Gmail, and dead-lettered. `extra`: stored, not in
-- Gmail. It compares range by range, so its memory does not grow with the mailbox.

create or replace function gmail_sync.compare_mailbox(p_user_id text, p_comparison uuid)
returns table (message_id text, drift text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_after text := '';
  v_up_to text;
begin
  loop
    v_up_to := gmail_sync._compared_up_to(p_user_id, p_comparison, v_after, 5000);
    exit when v_up_to is null;
    return query
      select r.message_id, r.drift
      from gmail_sync._compare_range(p_user_id, p_comparison, v_after, v_up_to) r;
    v_after := v_up_to;
  end loop;
end;
$$;

comment on function gmail_sync.compare_mailbox(text, uuid) is
'Compare a user''s mail with a complete listing of the mailbox: what differs.';

revoke all on function gmail_sync.compare_mailbox(text, uuid) from public;
grant execute on function gmail_sync.compare_mailbox(text, uuid) to gmail_sync_service;
