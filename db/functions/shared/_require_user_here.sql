-- Raises SY006 when the user lives on another node. Every function that writes for a user without a
-- lease calls it. An old route, or a move, can lead a call here, and its changes would be lost.

create or replace function gmail_sync._require_user_here(p_user_id text)
returns void
language plpgsql
stable
as $$
begin
  if exists (
    select from gmail_sync.slot_elsewhere e where e.slot = gmail_sync._user_slot(p_user_id)
  ) then
    raise exception 'user % lives on another node', p_user_id
      using errcode = 'SY006', hint = 'Ask again, through the router.';
  end if;
end;
$$;

comment on function gmail_sync._require_user_here(text) is
'Raise SY006 when the user lives on another node.';

revoke all on function gmail_sync._require_user_here(text) from public;
