-- The index that names fewer candidates for a part of a search: words or labels. NULL where neither
-- can: then the messages are read one by one. Of both, labels where there are at most p_few of
-- them.

create or replace function gmail_sync._search_index(p_user_id text, p_part jsonb, p_few integer)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_part ? 'words' and p_part ? 'labels' then
    return case
      when (
        select count(*)
        from gmail_sync._search_candidates(
          p_user_id, 'labels', p_part,
          '{"period": "all", "since": "-infinity", "until": "infinity", "until_id": ""}', p_few + 1
        )
      ) > p_few then 'words'
      else 'labels'
    end;
  end if;
  return case when p_part ? 'words' then 'words' when p_part ? 'labels' then 'labels' end;
end;
$$;

comment on function gmail_sync._search_index(text, jsonb, integer) is
'The index that names fewer candidates for a part of a search.';

revoke all on function gmail_sync._search_index(text, jsonb, integer) from public;
