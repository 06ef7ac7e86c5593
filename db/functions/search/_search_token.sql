-- The next token of a search from a position on: its kind and its text. No row at the end. The
-- kinds:
--
-- operator is a known name before a colon, with the blanks after it. sign is - or + before
-- something. either is OR. blank is blanks, or AND. bracket is one of ( ) { }. words is a "quoted
-- text", or one up to a blank, bracket or quote.

create or replace function gmail_sync._search_token(p_query text, p_at integer)
returns table (kind text, token text)
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select
    case
      when o.is_operator then 'operator'
      when t.rest ~ E'^[-+][^\\s+-]' then 'sign'
      when w.token = 'OR' then 'either'
      when w.token = 'AND' or w.token ~ E'^\\s' then 'blank'
      when w.token ~ '^[(){}]' then 'bracket'
      else 'words'
    end,
    case
      when o.is_operator then substring(t.rest from E'^\\w+:\\s*')
      when t.rest ~ E'^[-+][^\\s+-]' then left(t.rest, 1)
      else w.token
    end
  -- In every database the blanks of all scripts are blanks.
  from (select substr(p_query, p_at) collate "und-x-icu") t (rest)
  cross join lateral (
    select lower(substring(t.rest from E'^(\\w+):\\s*[^\\s)}]') collate "C") in (
      'from', 'to', 'cc', 'bcc', 'subject', 'label', 'in', 'is', 'has', 'filename', 'list',
      'deliveredto', 'rfc822msgid', 'category', 'before', 'after', 'older', 'newer', 'older_than',
      'newer_than', 'size', 'larger', 'larger_than', 'smaller', 'smaller_than'
    )
  ) o (is_operator)
  cross join lateral (
    select substring(t.rest from E'^(?:\\s+|"[^"]*"?|[(){}]|[^\\s(){}"]+)')
  ) w (token)
  where t.rest <> '';
$$;

comment on function gmail_sync._search_token(text, integer) is
'The next token of a search from a position on.';

revoke all on function gmail_sync._search_token(text, integer) from public;
