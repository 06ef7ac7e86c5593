-- The part of a search that a term asks for, with the operator before it (NULL: none). What is not
-- understood is searched as words, and said in not_understood.

create or replace function gmail_sync._search_term(
  p_user_id text, p_operator text, p_token text, p_time_zone text
)
returns table (part jsonb, not_understood text[])
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  part := gmail_sync._search_operator(p_user_id, p_operator, btrim(p_token, '"'), p_time_zone);
  not_understood := '{}';
  if p_operator is not null and part is null then
    not_understood := array[p_operator || ':' || p_token];
    part := gmail_sync._search_words(p_user_id, array['.'], p_operator || ' ' || p_token);
  -- Something like an operator that is none, but no https:// and no 10:30.
  elsif p_operator is null and p_token ~ '^([A-Za-z_]+:[^/]|AROUND$)' then
    not_understood := array[p_token];
  end if;
  return next;
end;
$$;

comment on function gmail_sync._search_term(text, text, text, text) is
'The part of a search that a term asks for, and what is not understood.';

revoke all on function gmail_sync._search_term(text, text, text, text) from public;
