-- The messages that a run fetches now.

create or replace function gmail_sync._messages_in_flight(p_user_id text, p_task_id text)
returns text[]
language plpgsql
stable
as $$
begin
  return array(
    select unnest(b.message_ids)
    from gmail_sync.fetch_batch b
    where b.user_id = p_user_id
      and b.task_id = p_task_id
  );
end;
$$;

comment on function gmail_sync._messages_in_flight(text, text) is
'The messages that a run fetches now.';

revoke all on function gmail_sync._messages_in_flight(text, text) from public;
