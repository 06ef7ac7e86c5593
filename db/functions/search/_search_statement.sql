-- The statement that decides which of the messages $2 of the user $1 a part of a search takes. It
-- returns the first $3 of them, as search_messages does. Only literals that format() has quoted,
-- and numbers, come from the search.

create or replace function gmail_sync._search_statement(p_part jsonb)
returns text
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select format(
    $statement$
      select m.message_id, m.thread_id, m.internal_date, m.label_ids, m.subject, m.sender,
        m.recipients, m.snippet, m.size_estimate,
        -- Not EXISTS: the planner may read all of the user's attachments for it.
        coalesce((
          select true
          from gmail_sync.attachment a
          where a.user_id = $1 and a.message_id = m.message_id and not a.inline
          limit 1
        ), false),
        true
      from unnest($2) with ordinality c (message_id, n)
      -- Each by its key (limit 1): a join might read all of the user's mail.
      cross join lateral (
        select m.*
        from gmail_sync.message m
        where m.user_id = $1 and m.message_id = c.message_id
        limit 1
      ) m
      cross join lateral (
        select coalesce(
          (
            select i.words
            from gmail_sync.message_words i
            where i.user_id = $1 and i.message_id = c.message_id
            limit 1
          ),
          gmail_sync._message_vector($1, c.message_id)
        ) as words
        offset 0
      ) w
      where m.deleted_at is null
        and %s
        and (%s)
      order by c.n
      limit $3
    $statement$,
    case
      when (p_part -> 'shows_hidden')::boolean then 'true'
      else 'not m.label_ids && array[''SPAM'', ''TRASH'']'
    end,
    coalesce(p_part ->> 'sql', 'true')
  );
$$;

comment on function gmail_sync._search_statement(jsonb) is
'The statement that decides which messages a part of a search takes.';

revoke all on function gmail_sync._search_statement(jsonb) from public;
