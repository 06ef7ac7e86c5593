-- The periods that a search reads at first (see _search_split), newest first. The month of the
-- newest message is the first, because a common word fills a page there. The other is all before
-- it. Raises SY003 when there is no message p_before.

create or replace function gmail_sync._search_periods(
  p_user_id text, p_part jsonb, p_index text, p_before text
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_until timestamptz := coalesce((p_part ->> 'until')::timestamptz, 'infinity');
  v_until_id text := '';
  v_before_date timestamptz;
  v_newest timestamptz;
  v_since timestamptz;
  v_month timestamptz;
  v_month_before timestamptz;
begin
  if p_before is not null then
    select b.internal_date into v_before_date
    from gmail_sync.message b
    where b.user_id = p_user_id and b.message_id = p_before;
    if not found then
      raise exception 'there is no message % to go on before', p_before using errcode = 'SY003';
    end if;
    if v_before_date < v_until then
      v_until := v_before_date;
      v_until_id := p_before;
    end if;
  end if;

  select m.internal_date into v_newest
  from gmail_sync.message m
  where m.user_id = p_user_id
    and (m.internal_date, m.message_id) < (v_until, v_until_id)
  order by m.internal_date desc, m.message_id desc
  limit 1;
  select greatest(m.internal_date, (p_part ->> 'since')::timestamptz) into v_since
  from gmail_sync.message m
  where m.user_id = p_user_id
  order by m.internal_date
  limit 1;
  if v_newest is null or v_newest < v_since then
    return '[]'::jsonb;
  end if;

  -- Only up to the newest: the end of a period is where its parts begin to be counted.
  if v_newest < v_until then
    v_until := v_newest + interval '1 microsecond';
    v_until_id := '';
  end if;
  if p_index is null then
    return jsonb_build_array(
      jsonb_build_object(
        'period', 'walk', 'since', v_since, 'until', v_until, 'until_id', v_until_id
      )
    );
  end if;
  v_month := greatest(
    date_trunc('month', v_newest at time zone 'UTC') at time zone 'UTC', v_since
  );
  v_month_before := greatest(
    date_trunc('month', v_newest at time zone 'UTC' - interval '1 month') at time zone 'UTC',
    v_since
  );
  return (
    select jsonb_agg(
      jsonb_build_object('period', period, 'since', since, 'until', until, 'until_id', until_id)
      order by until desc
    )
    from (
      values
        ('month', v_month, v_until, v_until_id),
        ('month', v_month_before, v_month, ''),
        ('all', v_since, v_month_before, '')
    ) p (period, since, until, until_id)
    where since < until
  );
end;
$$;

comment on function gmail_sync._search_periods(text, jsonb, text, text) is
'The periods that a search reads at first, newest first.';

revoke all on function gmail_sync._search_periods(text, jsonb, text, text) from public;
