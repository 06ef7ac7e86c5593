-- What is stored of messages to fetch, in the given order (n). known: only the labels can have
-- changed. size: bytes of the stored version, if there is one.

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
    -- Each is selected as the first from its id on, an order that only the primary key has. A plan
    -- for the id only, made while the table was empty, may use another index of the user. It would
    -- then visit all their mail until the table is analyzed.
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
'What is stored of messages to fetch.';

revoke all on function gmail_sync._fetch_state(text, text[]) from public;
