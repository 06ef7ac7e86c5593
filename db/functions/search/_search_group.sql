-- What stands between two brackets of a search, or all of it, as a part (see _search_join).
--
-- p_at is the position to read from, p_operator one that stood before the bracket, p_close its end:
-- ) joins parts by &, } by |. next_at is the position after the group. not_understood and words
-- (their number) add to what was found before. Raises SY003 with the position of what is too much.

create or replace function gmail_sync._search_group(
  p_user_id text, p_query text, p_time_zone text, p_operator text, p_close text, p_depth integer,
  p_at integer, p_not_understood text[], p_words integer
)
returns table (next_at integer, not_understood text[], words integer, part jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_token record;
  v_operator text;
  v_is_negated boolean := false;
  v_is_either boolean := false;
  v_found jsonb;
  v_last jsonb;
begin
  next_at := p_at;
  not_understood := p_not_understood;
  words := p_words;
  loop
    select * into v_token from gmail_sync._search_token(p_query, next_at);
    exit when v_token.kind is null;
    next_at := next_at + char_length(v_token.token);
    if v_token.kind = 'operator' then
      v_operator := lower(split_part(v_token.token, ':', 1) collate "C");
    elsif v_token.kind = 'sign' then
      v_is_negated := v_token.token = '-' and v_operator is null;
    elsif v_token.kind = 'either' then
      v_is_either := true;
    elsif v_token.token in (')', '}') then
      exit when p_depth > 0;
    elsif v_token.kind <> 'blank' then
      if v_token.kind = 'bracket' then
        select g.next_at, g.not_understood, g.words, g.part
        into next_at, not_understood, words, v_found
        from gmail_sync._search_group(
          p_user_id, p_query, p_time_zone, coalesce(v_operator, p_operator),
          translate(v_token.token, '({', ')}'), gmail_sync._check_search_depth(p_depth, next_at),
          next_at, not_understood, words
        ) g;
      else
        select _search_group.not_understood || t.not_understood, t.part
        into not_understood, v_found
        from gmail_sync._search_term(
          p_user_id, coalesce(v_operator, p_operator), v_token.token, p_time_zone
        ) t;
        words := gmail_sync._check_search_words(words, v_found, next_at);
      end if;
      v_found := case when v_is_negated then gmail_sync._search_not(v_found) else v_found end;
      if v_is_either then
        v_last := gmail_sync._search_join('|', v_last, v_found);
      elsif v_found is not null then
        part := gmail_sync._search_join(case p_close when '}' then '|' else '&' end, part, v_last);
        v_last := v_found;
      end if;
      v_operator := null;
      v_is_negated := false;
      v_is_either := false;
    end if;
  end loop;
  part := gmail_sync._search_join(case p_close when '}' then '|' else '&' end, part, v_last);
  return next;
end;
$$;

comment on function gmail_sync._search_group(
  text, text, text, text, text, integer, integer, text[], integer
) is
'What stands between two brackets of a search, as a part.';

revoke all on function gmail_sync._search_group(
  text, text, text, text, text, integer, integer, text[], integer
) from public;
