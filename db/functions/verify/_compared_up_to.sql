-- The end of the range after p_after in which neither the stored, the queued nor the listed ids of
-- a comparison are more than p_limit. NULL when no id is left.

create or replace function gmail_sync._compared_up_to(
  p_user_id text, p_comparison uuid, p_after text, p_limit integer
)
returns text
language plpgsql
stable
as $$
begin
  return (
    select coalesce(min(r.last) filter (where r.ids = p_limit), max(r.last))
    from (
      select count(*) as ids, max(s.message_id) as last
      from (
        select m.message_id
        from gmail_sync.message m
        where m.user_id = p_user_id and m.message_id > p_after
        order by m.message_id
        limit p_limit
      ) s
      union all
      select count(*), max(s.message_id)
      from (
        select q.message_id
        from gmail_sync.fetch_queue q
        where q.user_id = p_user_id and q.message_id > p_after
        order by q.message_id
        limit p_limit
      ) s
      union all
      select count(*), max(s.message_id)
      from (
        select c.message_id
        from gmail_sync.compared_message c
        where c.user_id = p_user_id and c.comparison = p_comparison and c.message_id > p_after
        order by c.message_id
        limit p_limit
      ) s
    ) r
  );
end;
$$;

comment on function gmail_sync._compared_up_to(text, uuid, text, integer) is
'The end of a range of ids that are few enough to be compared at once.';

revoke all on function gmail_sync._compared_up_to(text, uuid, text, integer) from public;
