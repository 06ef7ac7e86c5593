-- A search as Gmail reads it, as a part (see _search_join). It has words, "phrases",
-- operator:value, OR, -, +, ( ), and { } for any of. OR binds its two neighbours before all are
-- joined. Brackets and quotes that are not closed end with the text. part is NULL where there is
-- nothing to look for.
--
-- not_understood has the operators whose value is not one of theirs, and unknown ones. They are
-- searched as words. Raises SY003 when the time zone is unknown. SY003 with a position means more
-- than 1,000 characters, 300 words, or 20 brackets in one another.

create or replace function gmail_sync._parse_search(
  p_user_id text, p_query text, p_time_zone text
)
returns table (part jsonb, not_understood text[])
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._check_time_zone(p_time_zone);
  if char_length(p_query) > 1000 then
    raise exception 'the search has more than 1,000 characters, at position 1001'
      using errcode = 'SY003', hint = 'Search for less text.';
  end if;
  return query
    select g.part, g.not_understood
    from gmail_sync._search_group(
      p_user_id, coalesce(p_query, ''), p_time_zone, null, ')', 0, 1, '{}', 0
    ) g;
end;
$$;

comment on function gmail_sync._parse_search(text, text, text) is
'A search as Gmail reads it, as a part.';

revoke all on function gmail_sync._parse_search(text, text, text) from public;
