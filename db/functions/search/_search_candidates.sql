-- The messages of a period (see _search_period) that an index names for a part of a search:
-- candidates for the statement that decides. p_index is words or labels; of a walk, they are the
-- newest messages. What is not indexed yet is a candidate of words.
--
-- The period and the search are two conditions, because GIN then skips in either list of messages
-- what the other does not have. Of one condition it reads the shortest list whole.

create or replace function gmail_sync._search_candidates(
  p_user_id text, p_index text, p_part jsonb, p_period jsonb, p_limit integer
)
returns table (message_id text, internal_date timestamptz)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set gin_fuzzy_search_limit = 0
as $$
declare
  v_since timestamptz := (p_period ->> 'since')::timestamptz;
  v_until timestamptz := (p_period ->> 'until')::timestamptz;
  v_until_id text := p_period ->> 'until_id';
  v_query tsquery := (p_part ->> p_index)::tsquery;
  v_entry tsquery;
begin
  if p_period ->> 'period' = 'walk' then
    return query
      select * from gmail_sync._search_walk(p_user_id, v_since, v_until, v_until_id, p_limit);
    return;
  end if;

  v_entry := format(
    '''%s''', gmail_sync._period_entry(p_user_id, p_period ->> 'period', v_since)
  )::tsquery;
  -- A search for what is not there needs the period's entry, too, or it reads the whole index.
  if querytree(v_query) in ('', 'T') then
    v_query := v_entry && v_query;
  end if;
  if p_index = 'labels' then
    return query
      select m.message_id, m.internal_date
      from (
        select *
        from gmail_sync.message i
        where gmail_sync._label_vector(i.user_id, i.internal_date, i.label_ids) @@ v_entry
          and gmail_sync._label_vector(i.user_id, i.internal_date, i.label_ids) @@ v_query
        -- A fence: with the user's id in sight the planner may take an index of all their mail.
        offset 0
      ) m
      where m.user_id = p_user_id
        and m.internal_date >= v_since
        and (m.internal_date, m.message_id) < (v_until, v_until_id)
      limit p_limit;
    return;
  end if;
  return query
    select w.message_id, w.internal_date
    from (
      select *
      from gmail_sync.message_words i
      where i.words @@ v_entry and i.words @@ v_query
      offset 0
    ) w
    where w.user_id = p_user_id
      and w.internal_date >= v_since
      and (w.internal_date, w.message_id) < (v_until, v_until_id)
    limit p_limit;
  return query
    select *
    from gmail_sync._unindexed_messages(p_user_id, v_since, v_until, v_until_id, p_limit);
end;
$$;

comment on function gmail_sync._search_candidates(text, text, jsonb, jsonb, integer) is
'The messages of a period that an index names for a part of a search.';

revoke all on function gmail_sync._search_candidates(text, text, jsonb, jsonb, integer)
  from public;
