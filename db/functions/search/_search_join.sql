-- Two parts of a search joined by & or |; a part that is NULL asks for nothing.

create or replace function gmail_sync._search_join(p_operator text, p_left jsonb, p_right jsonb)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_and boolean := p_operator = '&';
  v_joined jsonb;
  v_index text;
begin
  if p_left is null or p_right is null then
    return coalesce(p_left, p_right);
  end if;
  v_joined := jsonb_build_object(
    'sql', format(
      case when v_is_and then '(%s and %s)' else '(%s or %s)' end,
      p_left ->> 'sql', p_right ->> 'sql'
    ),
    'size', coalesce((p_left ->> 'size')::integer, 0) + coalesce((p_right ->> 'size')::integer, 0),
    'marks', coalesce(p_left -> 'marks', '[]') || coalesce(p_right -> 'marks', '[]'),
    'shows_hidden', coalesce((p_left -> 'shows_hidden')::boolean, false)
      or coalesce((p_right -> 'shows_hidden')::boolean, false)
  );
  foreach v_index in array array['words', 'labels'] loop
    if p_left ? v_index and p_right ? v_index then
      v_joined := v_joined || jsonb_build_object(
        v_index, format('(%s)%s(%s)', p_left ->> v_index, p_operator, p_right ->> v_index),
        v_index || '_are_exact', coalesce((p_left -> (v_index || '_are_exact'))::boolean, false)
          and coalesce((p_right -> (v_index || '_are_exact'))::boolean, false)
      );
    elsif v_is_and and (p_left ? v_index or p_right ? v_index) then
      v_joined := v_joined || jsonb_build_object(
        v_index, coalesce(p_left -> v_index, p_right -> v_index)
      );
    end if;
  end loop;
  if v_is_and then
    v_joined := v_joined || jsonb_strip_nulls(
      jsonb_build_object(
        'since', greatest((p_left ->> 'since')::timestamptz, (p_right ->> 'since')::timestamptz),
        'until', least((p_left ->> 'until')::timestamptz, (p_right ->> 'until')::timestamptz)
      )
    );
  end if;
  return v_joined;
end;
$$;

comment on function gmail_sync._search_join(text, jsonb, jsonb) is
'Two parts of a search joined by & or |.';

revoke all on function gmail_sync._search_join(text, jsonb, jsonb) from public;
