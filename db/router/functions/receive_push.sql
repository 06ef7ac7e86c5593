-- The mailbox may be at any node. If none knew it and one was down, the push must come again.
declare
  v_answers text[];
  v_is_down boolean;
begin
  select array_agg(a.answer) filter (where a.answer is not null), bool_or(a.outage is not null)
  into v_answers, v_is_down
  from gmail_sync_router.ask_receive_push(p_email, p_history_id) a;
  perform gmail_sync_router.require_an_answer(v_answers is not null or not coalesce(v_is_down, false));
  return query select unnest(v_answers);
end;
