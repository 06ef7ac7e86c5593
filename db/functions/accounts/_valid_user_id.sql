-- The user id, checked. Raises SY003 with the rule when it is not one, SY006 when the user lives on
-- another node.

create or replace function gmail_sync._valid_user_id(p_user_id text)
returns gmail_sync.user_key
language plpgsql
stable
as $$
declare
  v_user gmail_sync.user_key;
begin
  if p_user_id is null then
    raise exception 'user id is missing' using errcode = 'SY003';
  end if;
  v_user := p_user_id;
  perform gmail_sync._require_user_here(v_user);
  return v_user;
exception when check_violation then
  raise exception 'user id % is not valid', pg_catalog.quote_literal(left(p_user_id, 40))
    using errcode = 'SY003',
      hint = 'A user id has 1 to 255 characters, is not blank and has no control characters.';
end;
$$;

comment on function gmail_sync._valid_user_id(text) is
'The user id, checked; SY003 when it is not one, SY006 when the user lives elsewhere.';

revoke all on function gmail_sync._valid_user_id(text) from public;
