-- The words of a text (see _separate_words) with their positions from 1. An address or a file name
-- is a phrase of its parts.
--
-- Chinese, Japanese, Korean, Thai and emoji are written without blanks. There each pair of
-- neighbouring characters is a word, and so is the last character (is_tail where it follows
-- others). So the pairs of a query are a phrase of any text that contains it.

create or replace function gmail_sync._text_words(p_text text)
returns table (n bigint, word text, is_tail boolean)
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Longer words are cut: an index entry has a maximum size.
  v_text text := regexp_replace(
    gmail_sync._separate_words(p_text) collate "C",
    '[^ ' || gmail_sync._unspaced_characters() || ']{64}(?=[^ ])', E'\\& ', 'g'
  );
begin
  if octet_length(v_text) = char_length(v_text) then
    return query
      select t.n, t.word, false
      from string_to_table(v_text, ' ') with ordinality t (word, n)
      where t.word <> '';
    return;
  end if;

  return query
    with runs as (
      select t.run, t.n,
        case when gmail_sync._is_unspaced(t.run) then char_length(t.run) end as unspaced
      from string_to_table(v_text, ' ') with ordinality t (run, n)
    ),
    placed as (
      select r.*,
        sum(coalesce(r.unspaced, 1)) over (order by r.n) - coalesce(r.unspaced, 1) as before
      from runs r
    )
    select p.before + 1, p.run, false
    from placed p
    where p.unspaced is null
    union all
    select p.before + c.i,
      c.sign || coalesce(lead(c.sign) over run, ''),
      c.i > 1 and lead(c.sign) over run is null
    from placed p
    cross join string_to_table(p.run, null) with ordinality c (sign, i)
    where p.unspaced is not null
    window run as (partition by p.n order by c.i)
    order by 1;
end;
$$;

comment on function gmail_sync._text_words(text) is
'The words of a text, folded, with their positions.';

revoke all on function gmail_sync._text_words(text) from public;
