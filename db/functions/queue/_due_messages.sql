-- The messages of a user that are due to be fetched.

create or replace function gmail_sync._due_messages(p_user_id text)
returns setof text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = p_user_id
      and not q.dead
      and (q.not_before <= clock_timestamp() or gmail_sync._wait_is_over(q));
end;
$$;

comment on function gmail_sync._due_messages(text) is
'The messages of a user that are due to be fetched.';

revoke all on function gmail_sync._due_messages(text) from public;
