-- Raises SY002 when the user has no account, SY006 when the user lives on another node.

create or replace function gmail_sync._require_account(p_user_id text)
returns void
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._require_user_here(p_user_id);
  if not exists (select from gmail_sync.account where user_id = p_user_id) then
    raise exception 'user % has no Gmail account', p_user_id
      using errcode = 'SY002', hint = 'Connect a Gmail account for this user first.';
  end if;
end;
$$;

comment on function gmail_sync._require_account(text) is
'Raise SY002 when the user has no account.';

revoke all on function gmail_sync._require_account(text) from public;
