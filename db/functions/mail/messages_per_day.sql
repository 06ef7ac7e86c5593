-- How much of a user's mail has come each day, today last, by the days of a time zone; without what
-- was deleted. Raises SY003 when p_days is not between 1 and 366, or there is no such time zone.

create or replace function gmail_sync.messages_per_day(
  p_user_id text, p_days integer default 30, p_time_zone text default 'UTC'
)
returns table (day date, messages bigint)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_days integer := gmail_sync._check_page_size(p_days, 366);
  v_today date;
begin
  perform gmail_sync._check_time_zone(p_time_zone);
  v_today := (statement_timestamp() at time zone p_time_zone)::date;

  return query
    select d.day, (
      select count(*)
      from gmail_sync.message m
      where m.user_id = p_user_id
        and m.deleted_at is null
        and m.internal_date >= d.day::timestamp at time zone p_time_zone
        and m.internal_date < (d.day + 1)::timestamp at time zone p_time_zone
    )
    from (select v_today - n as day from generate_series(0, v_days - 1) n) d
    order by d.day;
end;
$$;

comment on function gmail_sync.messages_per_day(text, integer, text) is
'How many messages have come each day, by the days of a time zone.';

revoke all on function gmail_sync.messages_per_day(text, integer, text) from public;
grant execute on function gmail_sync.messages_per_day(text, integer, text)
  to gmail_sync_app, gmail_sync_service, gmail_sync_dba;
