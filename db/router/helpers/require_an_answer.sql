-- Raises 08006 when no node that matters has answered.

create function gmail_sync_router.require_an_answer(p_has_answer boolean)
returns void
language plpgsql
as $$
begin
  if not p_has_answer then
    raise exception 'no node can be asked'
      using errcode = '08006', hint = 'Ask again. If it stays so, see: gmail-sync router status';
  end if;
end;
$$;
