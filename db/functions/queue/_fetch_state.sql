-- What is stored of messages that are to be fetched, in the order given (n): known where only
-- the labels can have changed, size in bytes where a version of the message is there.

create or replace function gmail_sync._fetch_state(p_user_id text, p_message_ids text[])
returns table (message_id text, n bigint, known boolean, size bigint)
language plpgsql
stable
as $$
begin
  return query
    select w.message_id, w.n,
      m.message_id is not null
        and m.deleted_at is null
        and (a.content_mode = 'full' or m.has_raw),
      m.size_estimate
    from unnest(p_message_ids) with ordinality as w (message_id, n)
    join gmail_sync.account a on a.user_id = p_user_id
    -- Each is sought as the first from its id on: an order that only the primary key has. Asked
    -- for by its id alone, a plan that was made while the table was empty may take any other index
    -- of the user's and visit all their mail, until the table is analyzed.
    left join lateral (
      select s.message_id, s.deleted_at, s.raw is not null as has_raw, s.size_estimate
      from gmail_sync.message s
      where s.user_id = p_user_id
        and s.message_id >= w.message_id
      order by s.message_id
      limit 1
    ) m on m.message_id = w.message_id
    order by w.n;
end;
$$;

comment on function gmail_sync._fetch_state(text, text[]) is
'What is stored of messages that are to be fetched.';

revoke all on function gmail_sync._fetch_state(text, text[]) from public;
