-- ts_headline with found words between U+FDD0 and U+FDD1. It is not HTML, so the caller can escape
-- the whole text first.

create or replace function gmail_sync._headline(p_text text, p_query tsquery, p_options text)
returns text
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select ts_headline(
    'simple', translate(p_text, E'\ufdd0\ufdd1', ''), p_query,
    p_options || E', StartSel=\ufdd0, StopSel=\ufdd1'
  );
$$;

comment on function gmail_sync._headline(text, tsquery, text) is
'ts_headline with found words between U+FDD0 and U+FDD1.';

revoke all on function gmail_sync._headline(text, tsquery, text) from public;
