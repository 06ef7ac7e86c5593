-- The index entries of a text: for each kind of entry (see _message_vector) its words with their
-- positions after p_after, in tsvector's form. last is the last position, or p_after. Words after
-- position 16,383 are left out: a tsvector has no more.
--
-- It pins no path, so the planner can put it into _message_vector. That saves half of the time of
-- indexing.

create or replace function gmail_sync._field_entries(
  p_key text, p_kinds text[], p_text text, p_after integer
)
returns table (entries text, last integer)
language sql
immutable
as $$
  select
    string_agg(p_key || k.kind || w.word || ':' || (p_after + w.n)::text, ' '),
    coalesce(max(p_after + w.n)::integer, p_after)
  from gmail_sync._text_words(p_text) w
  cross join unnest(p_kinds) k (kind)
  where p_after + w.n <= 16383;
$$;

comment on function gmail_sync._field_entries(text, text[], text, integer) is
'The index entries of a text, with their positions after p_after.';

revoke all on function gmail_sync._field_entries(text, text[], text, integer) from public;
