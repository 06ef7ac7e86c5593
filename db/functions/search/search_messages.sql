-- A page of a user's mail, newest first, by a search in Gmail's language (see _parse_search).
-- Without a search, it is all mail. p_label_id keeps one label. Deleted mail is left out. So is
-- what lies in trash or spam, unless the search or p_label_id asks for it. p_before is the last
-- message_id of the page before. If is_found is false in the last row, the search stopped there to
-- stay fast. To go on, pass that message_id as p_before. search_not_understood returns what was
-- searched as words.
--
-- Raises SY003 when p_limit is not between 1 and 500, the search is too large, or the time zone is
-- unknown. An unknown p_before has no mail before it.
--
-- It reads period after period: the month of the newest message, then all mail before it. A period
-- with too many candidates is split into years, months and days. A day is read message by message.
-- So the cost grows neither with the hits nor with the mailbox.

create or replace function gmail_sync.search_messages(
  p_user_id text, p_query text default null, p_label_id text default null,
  p_limit integer default 50, p_before text default null, p_time_zone text default 'UTC'
)
returns table (
  message_id text,
  thread_id text,
  internal_date timestamptz,
  label_ids text[],
  subject text,
  sender text,
  recipients text,
  snippet text,
  size_estimate bigint,
  is_found boolean
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- A period with more candidates is split.
  v_few constant integer := 3000;
  -- So many messages that are not indexed yet are read at once. They cost as much as 1,000
  -- candidates.
  v_few_unread constant integer := 25;
  -- About how many candidates a call looks at before it stops.
  v_budget integer := 5000;
  v_left integer := gmail_sync._check_page_size(p_limit, 500);
  v_part jsonb := gmail_sync._search_part(p_user_id, p_query, p_label_id, p_time_zone);
  v_statement text := gmail_sync._search_statement(v_part);
  v_index text := gmail_sync._search_index(p_user_id, v_part, v_few);
  v_periods jsonb := gmail_sync._search_periods(p_user_id, v_part, v_index, p_before);
  v_period jsonb;
  v_ids text[];
  v_oldest timestamptz;
  v_found integer;
begin
  while v_left > 0 and jsonb_array_length(v_periods) > 0 loop
    if v_budget <= 0 then
      return query
        select m.message_id, null::text, m.internal_date, null::text[], null::text, null::text,
          null::text, null::text, null::bigint, false
        from gmail_sync.message m
        where m.user_id = p_user_id
          and (m.internal_date, m.message_id) >= (
            (v_periods -> 0 ->> 'until')::timestamptz, v_periods -> 0 ->> 'until_id'
          )
        order by m.internal_date, m.message_id
        limit 1;
      return;
    end if;

    v_periods := gmail_sync._search_cut(p_user_id, v_part, v_periods, v_few_unread);
    v_period := v_periods -> 0;
    select array_agg(c.message_id order by c.internal_date desc, c.message_id desc),
      count(*)::integer, min(c.internal_date)
    into v_ids, v_found, v_oldest
    from gmail_sync._search_candidates(
      p_user_id, v_index, v_part, v_period, v_few + 1
    ) c;
    v_budget := v_budget - v_found;
    v_periods := v_periods - 0;
    if v_found > v_few then
      if v_period ->> 'period' <> 'walk' then
        v_periods := gmail_sync._search_split(v_period) || v_periods;
        continue;
      end if;
      v_periods := jsonb_build_array(
        v_period || jsonb_build_object('until', v_oldest, 'until_id', v_ids[v_found])
      ) || v_periods;
    end if;
    return query execute v_statement using p_user_id, v_ids, v_left;
    get diagnostics v_found = row_count;
    v_left := v_left - v_found;
    v_budget := v_budget - case when (v_period -> 'is_slow')::boolean then 1000 else 0 end;
  end loop;
end;
$$;

comment on function gmail_sync.search_messages(text, text, text, integer, text, text) is
'A page of a user''s mail, newest first, by a search in Gmail''s language.';

revoke all on function gmail_sync.search_messages(text, text, text, integer, text, text)
  from public;
grant execute on function gmail_sync.search_messages(text, text, text, integer, text, text)
  to gmail_sync_app, gmail_sync_reader, gmail_sync_service, gmail_sync_dba;
