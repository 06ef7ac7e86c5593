-- Refuses a step of connecting that a user has done too often within a minute. Steps of one user
-- wait for one another, so concurrent ones are counted too. Raises SY005.

create or replace function gmail_sync._check_connect_rate(p_user_id text, p_acts text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Before they are counted, or those that come together would not see one another.
  perform gmail_sync._lock_user_mail(p_user_id);
  perform gmail_sync._check_rate_limit(
    'connections of a Gmail account',
    array(
      select e.at
      from gmail_sync.audit_event e
      where e.user_id = p_user_id
        and gmail_sync._is_within(e.at, interval '1 minute', interval '0')
        and e.act = any (p_acts)
      order by e.at desc
    ),
    (select max_connects_a_minute from gmail_sync.settings)
  );
end;
$$;

comment on function gmail_sync._check_connect_rate(text, text[]) is
'Refuse to connect a Gmail account too often within a minute; SY005.';

revoke all on function gmail_sync._check_connect_rate(text, text[]) from public;
