-- The opposite of a part of a search. An index serves it only if it knew all about the part: a
-- message without a phrase may have all of its words. The opposite of NULL is NULL: a word of
-- punctuation asks for nothing, with - before it too.
--
-- -in:trash does not ask for spam.

create or replace function gmail_sync._search_not(p_part jsonb)
returns jsonb
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_strip_nulls(
    jsonb_build_object(
      'sql', format('not (%s)', p_part ->> 'sql'),
      'words', case
        when (p_part -> 'words_are_exact')::boolean then format('!(%s)', p_part ->> 'words')
      end,
      'words_are_exact', p_part -> 'words_are_exact',
      'labels', case
        when (p_part -> 'labels_are_exact')::boolean then format('!(%s)', p_part ->> 'labels')
      end,
      'labels_are_exact', p_part -> 'labels_are_exact',
      'size', p_part -> 'size'
    )
  )
  where p_part is not null;
$$;

comment on function gmail_sync._search_not(jsonb) is
'The opposite of a part of a search.';

revoke all on function gmail_sync._search_not(jsonb) from public;
