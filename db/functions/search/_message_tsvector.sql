-- The words of a message. Only the first 100,000 characters of a body are indexed: a tsvector holds
-- at most 1 MB, and distinct words of four-byte characters fill it.
--
-- Runs of more than 200 characters without a blank are cut, and "<" is removed. On such text
-- ("a_a_a_…") the parser of Postgres needs quadratic time: minutes for a long body.

create or replace function gmail_sync._message_tsvector(
  p_subject text, p_sender text, p_recipients text, p_cc text, p_body_text text, p_body_html text
)
returns tsvector
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_texts text[] := array[
    left(p_subject, 10000),
    left(concat_ws(' ', p_sender, p_recipients, p_cc), 10000),
    coalesce(
      left(p_body_text, 100000),
      regexp_replace(left(p_body_html, 100000), '<[^>]*>', ' ', 'g')
    )
  ];
  v_words tsvector := tsvector '';
begin
  for n in 1..3 loop
    v_words := v_words || setweight(
      to_tsvector(
        'simple',
        regexp_replace(replace(coalesce(v_texts[n], ''), '<', ' '), '\S{200}', '\& ', 'g')
      ),
      (array['A', 'B', 'D'])[n]::"char"
    );
  end loop;
  return v_words;
end;
$$;

comment on function gmail_sync._message_tsvector(text, text, text, text, text, text) is
'The words of a message for full-text search.';

revoke all on function gmail_sync._message_tsvector(text, text, text, text, text, text) from public;
