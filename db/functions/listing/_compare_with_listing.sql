-- Compares the p_limit stored messages after p_after with the user's listing: how many there are,
-- the last of them, and the absent ones. Its cost does not depend on the size of the mailbox.

create or replace function gmail_sync._compare_with_listing(
  p_user_id text, p_after text, p_limit integer
)
returns table (compared integer, last text, absent text[])
language plpgsql
stable
as $$
declare
  v_stored text[];
begin
  select count(*)::integer, max(m.message_id),
    coalesce(array_agg(m.message_id) filter (where m.deleted_at is null), '{}')
  into compared, last, v_stored
  from (
    select s.message_id, s.deleted_at
    from gmail_sync.message s
    where s.user_id = p_user_id
      and s.message_id > p_after
    order by s.message_id
    limit p_limit
  ) m;

  -- EXCEPT, not an anti-join: a table that grew a minute ago has no statistics, and the planner
  -- would compare every pair.
  absent := array(
    select unnest(v_stored)
    except
    select l.message_id
    from gmail_sync.listing l
    where l.user_id = p_user_id
      and l.message_id > p_after
      and l.message_id <= last
    order by 1
  );
  return next;
end;
$$;

comment on function gmail_sync._compare_with_listing(text, text, integer) is
'Compare some stored messages with the listing: how many, the last, and the absent ones.';

revoke all on function gmail_sync._compare_with_listing(text, text, integer) from public;
