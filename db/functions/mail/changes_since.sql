-- What changed in a user's mail after a change number, in order: apply each row, keep the
-- last change_number and ask again from there. Nothing is missed, since one writer at a
-- time numbers a user's changes. A message has one row, that of its last change.
--
-- Raises SY003 when p_limit is not between 1 and 10,000. Raises SY007 when the user's mail was
-- deleted as a whole after p_after: start again from 0.

create or replace function gmail_sync.changes_since(
  p_user_id text, p_after bigint default 0, p_limit integer default 1000
)
returns table (change_number bigint, message_id text, deleted boolean)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit integer := gmail_sync._check_page_size(p_limit, 10000);
begin
  perform gmail_sync._check_change_number(p_user_id, p_after);
  return query
    select m.change_number, m.message_id, m.deleted_at is not null
    from gmail_sync.message m
    where m.user_id = p_user_id
      and m.change_number > p_after
    order by m.change_number
    limit v_limit;
end;
$$;

comment on function gmail_sync.changes_since(text, bigint, integer) is
'What changed in a user''s mail after a change number, in order.';

revoke all on function gmail_sync.changes_since(text, bigint, integer) from public;
grant execute on function gmail_sync.changes_since(text, bigint, integer)
  to gmail_sync_app, gmail_sync_reader, gmail_sync_service, gmail_sync_dba;
