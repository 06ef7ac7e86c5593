-- When Google may be asked again, after it said that the day of p_at is used up: an hour later.
-- NULL if it has not said so within that hour.

create or replace function gmail_sync._daily_limit_ends(p_profile text, p_at timestamptz)
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select least(d.refused_at + interval '1 hour', gmail_sync._quota_reset_at(p_at))
    from gmail_sync.quota_day d
    where d.profile = p_profile
      and d.day = gmail_sync._quota_day(p_at)
      and d.refused_at between p_at - interval '1 hour' and p_at
  );
end;
$$;

comment on function gmail_sync._daily_limit_ends(text, timestamptz) is
'When Google may be asked again, after it said that a day is used up.';

revoke all on function gmail_sync._daily_limit_ends(text, timestamptz) from public;
