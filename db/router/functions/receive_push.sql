-- The mailbox may be at any node. If none knew it and one was down, the push must come again. So it
-- must while a slot is closed for its move: neither of two nodes starts a run for its users.
declare
  v_answers text[];
  v_is_missing boolean;
begin
  select array_agg(a.answer) filter (where a.answer is not null),
    coalesce(bool_or(a.outage is not null), false)
      or exists (select from gmail_sync_route.slot s where s.closed_at is not null)
  into v_answers, v_is_missing
  from gmail_sync_router.ask_receive_push(p_email, p_history_id) a;
  perform gmail_sync_router.require_an_answer(v_answers is not null or not v_is_missing);
  return query select unnest(v_answers);
end;
