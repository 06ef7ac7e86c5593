-- Refuses an act that a user has already done p_most times within a minute, and reports in how many
-- seconds it is allowed again. Raises SY005.

create or replace function gmail_sync._check_rate_limit(
  p_what text, p_times timestamptz[], p_most integer
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if cardinality(p_times) >= p_most then
    raise exception '% within a minute: % are the most', p_what, p_most
      using errcode = 'SY005',
        detail = greatest(1, ceil(
          extract(epoch from p_times[p_most] + interval '1 minute' - clock_timestamp())
        ))::text,
        hint = 'Wait a minute, then try again.';
  end if;
end;
$$;

comment on function gmail_sync._check_rate_limit(text, timestamptz[], integer) is
'Refuse an act done too often within a minute; SY005.';

revoke all on function gmail_sync._check_rate_limit(text, timestamptz[], integer) from public;
