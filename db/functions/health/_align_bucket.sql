-- The beginning of the bucket that p_since lies in, aligned to the clock. Raises SY003 when a
-- bucket is not between a minute and a day, or p_since is in the future or more than 1,000 buckets
-- ago.

create or replace function gmail_sync._align_bucket(p_since timestamptz, p_bucket interval)
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A month has no length of its own.
  if not coalesce(
    p_bucket between interval '1 min' and interval '1 day'
    and extract(month from p_bucket) = 0
    and p_since between now() - 1000 * p_bucket and now(),
    false
  ) then
    raise exception 'since % in buckets of %: not a minute to a day each, or more than 1,000',
      p_since, p_bucket using errcode = 'SY003';
  end if;
  return date_bin(p_bucket, p_since, timestamptz '2000-01-01 00:00:00+00');
end;
$$;

comment on function gmail_sync._align_bucket(timestamptz, interval) is
'The beginning of the bucket that p_since lies in; SY003 when there would be too many.';

revoke all on function gmail_sync._align_bucket(timestamptz, interval) from public;
