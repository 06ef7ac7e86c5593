-- That the database's clock was set back, in words; NULL if it was not. A pass of a reaper records
-- it, and it is reported for an hour. Until the next pass, the last one lies in the future.

create or replace function gmail_sync._clock_reason()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select format(
    'the database''s clock was set back by %s s%s. Nothing waits for times stored before that, but '
    'check the clock of the database''s host',
    round(extract(epoch from coalesce(f.ahead, b.set_back_by))),
    case
      when f.ahead is null then to_char(b.set_back_at at time zone 'UTC', '" at "HH24:MI" UTC"')
    end
  )
  from gmail_sync.reaper_beat b
  cross join lateral (
    select case
      when b.beat_at - clock_timestamp() > (select reaper_timeout from gmail_sync.settings)
        then b.beat_at - clock_timestamp()
    end as ahead
  ) f
  where f.ahead is not null
    or gmail_sync._is_within(b.set_back_at, interval '1 hour', interval '0')
  order by f.ahead desc nulls last, b.set_back_at desc
  limit 1;
$$;

comment on function gmail_sync._clock_reason() is
'That the database''s clock was set back, in words; NULL if it was not.';

revoke all on function gmail_sync._clock_reason() from public;
