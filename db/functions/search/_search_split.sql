-- The next smaller periods of a period that has too many candidates, newest first. All time becomes
-- years, a year months, a month days, and a day its messages (walk). Each is an object of period,
-- since (inclusive), until and until_id (exclusive).

create or replace function gmail_sync._search_split(p_period jsonb)
returns jsonb
language plpgsql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_smaller text := case p_period ->> 'period'
    when 'all' then 'year' when 'year' then 'month' when 'month' then 'day' else 'walk'
  end;
  v_since timestamp := (p_period ->> 'since')::timestamptz at time zone 'UTC';
  v_until timestamp := (p_period ->> 'until')::timestamptz at time zone 'UTC';
begin
  if v_smaller = 'walk' then
    return jsonb_build_array(p_period || jsonb_build_object('period', v_smaller));
  end if;
  return (
    select jsonb_agg(
      jsonb_build_object(
        'period', v_smaller,
        'since', greatest(starts_at, v_since) at time zone 'UTC',
        'until', least(starts_at + ('1 ' || v_smaller)::interval, v_until) at time zone 'UTC',
        'until_id', case
          when starts_at + ('1 ' || v_smaller)::interval > v_until then p_period ->> 'until_id'
          else ''
        end
      )
      order by starts_at desc
    )
    from generate_series(
      date_trunc(v_smaller, v_since), v_until, ('1 ' || v_smaller)::interval
    ) starts_at
  );
end;
$$;

comment on function gmail_sync._search_split(jsonb) is
'The next smaller periods of a period, newest first.';

revoke all on function gmail_sync._search_split(jsonb) from public;
