-- Raises an error as the node raised it. PL/Proxy puts its own words before the message, the detail
-- and the hint. A node that cannot be reached becomes 08006, which callers try again.

create function gmail_sync_router.raise_again(
  p_sqlstate text, p_message text, p_detail text, p_hint text
)
returns void
language plpgsql
as $$
declare
  v_message text := coalesce(
    substring(p_message from '^\S+\(\d+\): \[\S+\] REMOTE ERROR: (.*)$'), p_message
  );
  v_detail text := regexp_replace(p_detail, '^Remote detail: ', '');
  v_hint text := regexp_replace(p_hint, '^Remote hint: ', '');
begin
  if gmail_sync_router.is_outage(p_sqlstate) then
    raise exception 'a node cannot be asked: %', v_message
      using errcode = '08006',
        hint = 'Ask again. If it stays so, see: gmail-sync router status';
  -- An option of RAISE cannot be left out by NULL, and '' is not the same.
  elsif v_detail = '' and v_hint = '' then
    raise exception '%', v_message using errcode = p_sqlstate;
  elsif v_detail = '' then
    raise exception '%', v_message using errcode = p_sqlstate, hint = v_hint;
  elsif v_hint = '' then
    raise exception '%', v_message using errcode = p_sqlstate, detail = v_detail;
  end if;
  raise exception '%', v_message
    using errcode = p_sqlstate, detail = v_detail, hint = v_hint;
end;
$$;
