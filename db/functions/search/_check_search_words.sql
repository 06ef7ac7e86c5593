-- How many words a search has with those of one more part. Raises SY003 when they are more than
-- 300.

create or replace function gmail_sync._check_search_words(
  p_words integer, p_part jsonb, p_at integer
)
returns integer
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_words integer := p_words + case
    -- Punctuation asks for nothing.
    when p_part is null then 0
    else coalesce((p_part ->> 'size')::integer, 1)
  end;
begin
  if v_words > 300 then
    raise exception 'the search has more than 300 words at position %', p_at - 1
      using errcode = 'SY003', hint = 'Search for fewer words.';
  end if;
  return v_words;
end;
$$;

comment on function gmail_sync._check_search_words(integer, jsonb, integer) is
'How many words a search has with one more part; SY003 when they are more than 300.';

revoke all on function gmail_sync._check_search_words(integer, jsonb, integer) from public;
