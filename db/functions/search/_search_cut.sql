-- The periods that a search has to read (see _search_split). The first is cut short where it has
-- more than about p_limit messages that are not indexed yet, because each takes much longer than
-- others. Its is_slow says that it has so many. If p_part reads no words, nothing is cut.

create or replace function gmail_sync._search_cut(
  p_user_id text, p_part jsonb, p_periods jsonb, p_limit integer
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_first jsonb := p_periods -> 0;
  v_rest jsonb := p_periods - 0;
  v_cut timestamptz;
begin
  if p_part ->> 'sql' like '%w.words%' then
    select w.internal_date into v_cut
    from gmail_sync.index_queue w
    where w.user_id = p_user_id
      and w.internal_date >= (v_first ->> 'since')::timestamptz
      and (w.internal_date, w.message_id)
        < ((v_first ->> 'until')::timestamptz, v_first ->> 'until_id')
    order by w.internal_date desc
    offset p_limit - 1
    limit 1;
  end if;
  if v_cut > (v_first ->> 'since')::timestamptz then
    v_rest := (v_first || jsonb_build_object('until', v_cut, 'until_id', '')) || v_rest;
    v_first := v_first || jsonb_build_object('since', v_cut);
  end if;
  return (v_first || jsonb_build_object('is_slow', v_cut is not null)) || v_rest;
end;
$$;

comment on function gmail_sync._search_cut(text, jsonb, jsonb, integer) is
'The periods that a search has to read, the first cut short where much is not indexed yet.';

revoke all on function gmail_sync._search_cut(text, jsonb, jsonb, integer) from public;
