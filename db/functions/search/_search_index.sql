-- The index that names the candidates of a period for a part of a search: words or labels. NULL
-- where neither can: then messages are read one by one. Where both can, it is the one that names
-- fewer in a month or a day. In a year it is p_index, the one of the period before.

create or replace function gmail_sync._search_index(
  p_user_id text, p_part jsonb, p_period jsonb, p_index text, p_limit integer
)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_part ?& array['words', 'labels'] then case
      when p_period ->> 'period' in ('month', 'day') then (
        select i.index
        from unnest(array['words', 'labels']) i (index)
        order by (
          select count(*)
          from gmail_sync._search_candidates(p_user_id, i.index, p_part, p_period, p_limit)
        ), i.index = p_index desc
        limit 1
      )
      else p_index
    end
    when p_part ? 'words' then 'words'
    when p_part ? 'labels' then 'labels'
  end;
$$;

comment on function gmail_sync._search_index(text, jsonb, jsonb, text, integer) is
'The index that names the candidates of a period for a part of a search.';

revoke all on function gmail_sync._search_index(text, jsonb, jsonb, text, integer) from public;
