-- Charges an attempt to the messages that an ended run was fetching: their answer never came.

create or replace function gmail_sync._charge_lost_batches(p_task_id text, p_user_id text)
returns void
language plpgsql
volatile
as $$
declare
  v_lost text[] := array(
    select taken.message_id
    from gmail_sync.fetch_batch b
    cross join unnest(b.message_ids) as taken (message_id)
    where b.user_id = p_user_id
      and b.task_id <> p_task_id
  );
begin
  if v_lost <> '{}' then
    perform gmail_sync._charge_attempts(p_user_id, v_lost);
  end if;
end;
$$;

comment on function gmail_sync._charge_lost_batches(text, text) is
'Charge an attempt to the messages that an ended run was fetching.';

revoke all on function gmail_sync._charge_lost_batches(text, text) from public;
