-- Notes what the messages that a run has left are expected to cost. It is noted as a part of what
-- they would cost if each were fetched by itself. To sample the queue is too dear for each look at
-- the time left. So a run does it every 10 seconds, and not for what Google allows in a minute.

create or replace function gmail_sync._plan_run(p_task_id text, p_user_id text)
returns void
language plpgsql
volatile
as $$
begin
  update gmail_sync.user_sync_status r
  set planned_at = clock_timestamp(),
    planned_share = gmail_sync._planned_units(p_user_id, r.pending)
      / nullif(r.pending * gmail_sync._message_price(p_user_id), 0)::real
  where r.task_id = p_task_id
    and r.finished_at is null
    and r.pending >= 300
    and gmail_sync._is_within(r.planned_at, interval '10 s', interval '0') is not true;
end;
$$;

comment on function gmail_sync._plan_run(text, text) is
'Note what the messages that a run has left are expected to cost.';

revoke all on function gmail_sync._plan_run(text, text) from public;
