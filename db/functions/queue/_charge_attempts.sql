-- Takes messages out of the user's batches, and charges an attempt to those that were in one.

create or replace function gmail_sync._charge_attempts(p_user_id text, p_message_ids text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_tried text[] := array(
    select taken.message_id
    from gmail_sync.fetch_batch b
    cross join unnest(b.message_ids) as taken (message_id)
    where b.user_id = p_user_id
      and taken.message_id = any (p_message_ids)
  );
begin
  update gmail_sync.fetch_queue q
  set attempts = q.attempts + 1
  where q.user_id = p_user_id
    and q.message_id = any (v_tried);
  perform gmail_sync._end_fetch(p_user_id, p_message_ids);
end;
$$;

comment on function gmail_sync._charge_attempts(text, text[]) is
'Take messages out of batches, and charge an attempt to those that were in one.';

revoke all on function gmail_sync._charge_attempts(text, text[]) from public;
