-- The words of a message. Only the first 100,000 characters of a body are indexed: a
-- tsvector holds at most 1 MB, and distinct words of four-byte characters fill it.

create or replace function gmail_sync._search_vector(
  p_subject text, p_sender text, p_recipients text, p_cc text, p_body_text text, p_body_html text
)
returns tsvector
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return setweight(to_tsvector('simple', left(coalesce(p_subject, ''), 10000)), 'A')
    || setweight(
      to_tsvector('simple', left(concat_ws(' ', p_sender, p_recipients, p_cc), 10000)), 'B'
    )
    || to_tsvector('simple', coalesce(
      left(p_body_text, 100000),
      regexp_replace(left(p_body_html, 100000), '<[^>]*>', ' ', 'g'),
      ''
    ));
end;
$$;

comment on function gmail_sync._search_vector(text, text, text, text, text, text) is
'The words of a message for full-text search.';

revoke all on function gmail_sync._search_vector(text, text, text, text, text, text) from public;
