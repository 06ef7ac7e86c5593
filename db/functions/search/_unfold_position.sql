-- About where in a text a position of its folded form is: up to 100 characters before it. Folding
-- changes the length of a text, because accents go and ß becomes ss.

create or replace function gmail_sync._unfold_position(p_text text, p_at integer)
returns integer
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select c.at::integer
  from (
    select 1 + sum(char_length(m.piece[1])) over w - char_length(m.piece[1]) as at,
      sum(char_length(gmail_sync._fold_text(m.piece[1]))) over w as folded_to
    -- Pieces end between words where they can, because folding composes characters again.
    from regexp_matches(
      p_text, '.{1,99}(?:[[:space:]]|$)|.{1,100}', 'g'
    ) with ordinality m (piece, n)
    window w as (order by m.n)
  ) c
  where c.folded_to >= p_at
  order by c.at
  limit 1;
$$;

comment on function gmail_sync._unfold_position(text, integer) is
'About where in a text a position of its folded form is.';

revoke all on function gmail_sync._unfold_position(text, integer) from public;
