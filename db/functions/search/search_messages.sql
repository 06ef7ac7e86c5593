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
-- It reads period after period, first the month of the newest message. A period with too many
-- candidates is read as smaller ones, at last message by message. After one with few candidates,
-- periods are larger. So the cost grows neither with the hits nor with the mailbox.

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
  has_attachment boolean,
  is_found boolean
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_sizes constant text[] := array['walk', 'day', 'month', 'year'];
  -- A period with more candidates is not read as a whole.
  v_few constant integer := 2000;
  -- So many messages that are not indexed yet cost as much as 1,000 candidates.
  v_few_unread constant integer := 25;
  -- About how many candidates a call looks at before it stops.
  v_budget integer := 4000;
  v_left integer := gmail_sync._check_page_size(p_limit, 500);
  v_part jsonb := gmail_sync._search_part(p_user_id, p_query, p_label_id, p_time_zone);
  v_statement text := gmail_sync._search_statement(v_part);
  v_index text := gmail_sync._search_index(p_user_id, v_part, null, 'words', v_few);
  v_size integer := case when v_index is null then 1 else 3 end;
  -- By size, the start of the last period that had too many candidates.
  v_crowded timestamptz[] := array_fill(
    case when v_index is null then '-infinity' else 'infinity' end::timestamptz, array[4]
  );
  v_time record;
  v_period jsonb;
  v_ids text[];
  v_read_to timestamptz;
  v_found integer;
begin
  select * into v_time from gmail_sync._search_bounds(p_user_id, v_part, p_before);
  while v_left > 0 loop
    v_period := gmail_sync._search_period(
      p_user_id, v_part, v_sizes[v_size],
      -- A walk through a day ends with it.
      case v_size when 1 then greatest(v_time.since, v_crowded[2]) else v_time.since end,
      v_time.until, v_time.until_id, v_few_unread
    );
    exit when v_period is null;
    v_index := gmail_sync._search_index(p_user_id, v_part, v_period, v_index, v_few + 1);
    select array_agg(c.message_id order by c.internal_date desc, c.message_id desc),
      count(*)::integer,
      case
        when count(*) > v_few then min(c.internal_date)
        else (v_period ->> 'since')::timestamptz
      end
    into v_ids, v_found, v_read_to
    from gmail_sync._search_candidates(p_user_id, v_index, v_part, v_period, v_few + 1) c;
    if v_found > v_few and v_size > 1 then
      v_crowded[v_size] := (v_period ->> 'since')::timestamptz;
      v_size := v_size - 1;
      continue;
    end if;
    v_time.until := v_read_to;
    v_time.until_id := case when v_found > v_few then v_ids[v_found] else '' end;
    if v_time.until <= v_crowded[v_size + 1] and (v_size = 1 or v_found * 30 <= v_few) then
      v_size := v_size + 1;
    end if;
    v_budget := v_budget - v_found - 1000 * (v_period ->> 'is_slow')::boolean::integer;
    return query execute v_statement using p_user_id, v_ids, v_left;
    get diagnostics v_found = row_count;
    v_left := v_left - v_found;
    if v_left > 0 and v_budget <= 0 then
      return query
        select * from gmail_sync._search_stop(p_user_id, v_time.until, v_time.until_id);
      return;
    end if;
  end loop;
end;
$$;

comment on function gmail_sync.search_messages(text, text, text, integer, text, text) is
'A page of a user''s mail, newest first, by a search in Gmail''s language.';

revoke all on function gmail_sync.search_messages(text, text, text, integer, text, text)
  from public;
grant execute on function gmail_sync.search_messages(text, text, text, integer, text, text)
  to gmail_sync_app, gmail_sync_reader, gmail_sync_service, gmail_sync_dba;
