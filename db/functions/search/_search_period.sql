-- The period that a search reads next, as an object of period, since (inclusive), until and
-- until_id (exclusive). It is the year, month or day (p_period) in UTC of the newest message before
-- p_until. A walk is all time since p_since. NULL where no message is left.
--
-- If the search reads words, a period ends at about p_few_unread messages that are not indexed yet,
-- because each takes much longer than others. is_slow says that it has so many.

create or replace function gmail_sync._search_period(
  p_user_id text, p_part jsonb, p_period text, p_since timestamptz, p_until timestamptz,
  p_until_id text, p_few_unread integer
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_since timestamptz;
  v_cut timestamptz;
begin
  select greatest(
    p_since,
    case
      when p_period <> 'walk'
        then date_trunc(p_period, m.internal_date at time zone 'UTC') at time zone 'UTC'
    end
  )
  into v_since
  from gmail_sync.message m
  where m.user_id = p_user_id
    and m.internal_date >= p_since
    and (m.internal_date, m.message_id) < (p_until, p_until_id)
  order by m.internal_date desc, m.message_id desc
  limit 1;
  if v_since is null then
    return null;
  end if;

  if p_part ->> 'sql' like '%w.words%' then
    select w.internal_date into v_cut
    from gmail_sync._unindexed_messages(
      p_user_id, v_since, p_until, p_until_id, p_few_unread
    ) w
    order by w.internal_date desc
    offset p_few_unread - 1
    limit 1;
  end if;
  return jsonb_build_object(
    'period', p_period, 'since', coalesce(v_cut, v_since), 'until', p_until,
    'until_id', p_until_id, 'is_slow', v_cut is not null
  );
end;
$$;

comment on function gmail_sync._search_period(
  text, jsonb, text, timestamptz, timestamptz, text, integer
) is
'The period that a search reads next.';

revoke all on function gmail_sync._search_period(
  text, jsonb, text, timestamptz, timestamptz, text, integer
) from public;
