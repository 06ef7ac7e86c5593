-- The labels whose messages are to be listed, after the listing of all messages is complete. So the
-- labels of messages that are stored already need no fetch. No row where fetches cost less, and
-- none when all are listed. Raises SY001 when the lease is gone.

create or replace function gmail_sync.plan_label_lists(p_task_id text)
returns table (label_id text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
begin
  if gmail_sync._label_lists_are_cheaper(v_user_id) then
    return query
      select l.label_id
      from gmail_sync.label l
      where l.user_id = v_user_id
        and not gmail_sync._label_is_listed(l)
      order by l.label_id;
  end if;
end;
$$;

comment on function gmail_sync.plan_label_lists(text) is
'The labels whose messages are to be listed; none where fetches cost less.';

revoke all on function gmail_sync.plan_label_lists(text) from public;
grant execute on function gmail_sync.plan_label_lists(text) to gmail_sync_service;
