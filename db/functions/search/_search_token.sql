-- The next token of a search from a position on: its kind and its text. No row at the end. The
-- kinds:
--
-- operator is a known name before a colon, with the blanks after it. sign is - or + before
-- something. either is OR. blank is blanks, or AND. bracket is one of ( ) { }. words is a "quoted
-- text", or one up to a blank, bracket or quote. The signs that phones and East Asian keyboards
-- write in their place are the same.

create or replace function gmail_sync._search_token(p_query text, p_at integer)
returns table (kind text, token text)
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- In every database the blanks of all scripts are blanks.
  v_rest text collate "und-x-icu" := translate(
    substr(p_query, p_at), '“”„‟«»＂：－＋', '""""""":-+'
  );
begin
  if v_rest = '' then
    return;
  end if;
  if lower(substring(v_rest from E'^(\\w+):\\s*[^\\s)}]') collate "C") in (
    'from', 'to', 'cc', 'bcc', 'subject', 'label', 'in', 'is', 'has', 'filename', 'list',
    'deliveredto', 'rfc822msgid', 'category', 'before', 'after', 'older', 'newer', 'older_than',
    'newer_than', 'size', 'larger', 'larger_than', 'smaller', 'smaller_than'
  ) then
    kind := 'operator';
    token := substring(v_rest from E'^\\w+:\\s*');
  elsif v_rest ~ E'^[-+][^\\s+-]' then
    kind := 'sign';
    token := left(v_rest, 1);
  else
    token := substring(v_rest from E'^(?:\\s+|"[^"]*"?|[(){}]|[^\\s(){}"]+)');
    kind := case
      when token = 'OR' then 'either'
      when token = 'AND' or v_rest ~ E'^\\s' then 'blank'
      when token ~ '^[(){}]' then 'bracket'
      else 'words'
    end;
  end if;
  return next;
end;
$$;

comment on function gmail_sync._search_token(text, integer) is
'The next token of a search from a position on.';

revoke all on function gmail_sync._search_token(text, integer) from public;
