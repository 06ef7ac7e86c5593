-- What search_messages looks for, as a part of a search (see _search_join): the search, and a
-- label. Of a text that is only punctuation, nothing is found. NULL where all mail is asked for.

create or replace function gmail_sync._search_part(
  p_user_id text, p_query text, p_label_id text, p_time_zone text
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_part jsonb;
begin
  select p.part into v_part from gmail_sync._parse_search(p_user_id, p_query, p_time_zone) p;
  if v_part is null and btrim(p_query) <> '' then
    v_part := jsonb_build_object('sql', 'false', 'until', '-infinity');
  end if;
  if p_label_id is not null then
    v_part := gmail_sync._search_join(
      '&', v_part, gmail_sync._search_label(p_user_id, p_label_id)
    );
  end if;
  return v_part;
end;
$$;

comment on function gmail_sync._search_part(text, text, text, text) is
'What search_messages looks for, as a part of a search.';

revoke all on function gmail_sync._search_part(text, text, text, text) from public;
