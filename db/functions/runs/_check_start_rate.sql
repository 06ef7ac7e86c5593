-- Refuses a new run of source api when the user has started too many of them within a minute.
-- Raises SY005.

create or replace function gmail_sync._check_start_rate(p_user_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._check_rate_limit(
    'new syncs',
    array(
      select r.started_at
      from gmail_sync.user_sync_status r
      where r.user_id = p_user_id
        and gmail_sync._is_within(r.started_at, interval '1 minute', interval '0')
        and r.source = 'api'
      order by r.started_at desc
    ),
    (select max_starts_a_minute from gmail_sync.settings)
  );
end;
$$;

comment on function gmail_sync._check_start_rate(text) is
'Refuse a new run of source api when the user has started too many; SY005.';

revoke all on function gmail_sync._check_start_rate(text) from public;
