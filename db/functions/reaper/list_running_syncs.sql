-- A page of the view running_syncs, by user id. p_after is the last user id of the page before.
-- p_cause is a cause, or zombie for any. p_worker is a worker's id or its beginning, as the view
-- shows it. Raises SY003 when p_limit is not between 1 and 10,000, and for an unknown cause.
--
-- A page costs as much as it has rows, and by worker as much as the worker has runs. By cause it
-- reads 3,000 runs, or p_limit if that is more; running_syncs_read_to says where to go on. Old
-- statistics may say that nothing runs. So the rows are found in the order of users, or of workers,
-- which only the right index has.

create or replace function gmail_sync.list_running_syncs(
  p_limit integer default 100,
  p_after text default null,
  p_user_id text default null,
  p_cause text default null,
  p_worker text default null
)
returns setof gmail_sync.running_syncs
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_sort = off
set jit = off
as $$
declare
  v_limit integer := gmail_sync._check_page_size(p_limit, 10000);
  v_worker text := lower(p_worker collate "C");
  -- NULL, and no worker's, if it is not hexadecimal.
  v_digits text := replace(substring(v_worker from '^[0-9a-f-]+$'), '-', '');
  v_user_ids text[];
begin
  if p_cause not in ('zombie', 'silent', 'stalled', 'clock_skew') then
    raise exception 'cause "%" is not zombie, silent, stalled or clock_skew', p_cause
      using errcode = 'SY003';
  elsif p_user_id is not null then
    v_user_ids := array[p_user_id];
  elsif v_worker is not null then
    v_user_ids := array(
      select r.user_id::text
      from gmail_sync.user_sync_status r
      where r.is_syncing and r.claimed_at is not null
        and r.claimed_by between rpad(v_digits, 32, '0')::uuid and rpad(v_digits, 32, 'f')::uuid
        and starts_with(r.claimed_by::text, v_worker)
      order by r.claimed_by
    );
  else
    v_user_ids := array(
      select r.user_id::text
      from gmail_sync.user_sync_status r
      where r.is_syncing and r.user_id > coalesce(p_after, '')
      order by r.user_id
      limit case when p_cause is null then v_limit else greatest(v_limit, 3000) end
    );
  end if;

  return query
    select *
    from gmail_sync.running_syncs r
    where r.user_id = any (v_user_ids)
      and (v_worker is null or starts_with(r.worker, left(v_worker, 8)))
      and (p_cause is null or r.cause is not null and p_cause in ('zombie', r.cause))
      and (p_after is null or r.user_id > p_after)
    order by r.user_id limit v_limit;
end;
$$;

comment on function gmail_sync.list_running_syncs(integer, text, text, text, text) is
'A page of the runs that are queued or claimed, by user id, by cause or of a worker.';

revoke all on function gmail_sync.list_running_syncs(integer, text, text, text, text) from public;
grant execute on function gmail_sync.list_running_syncs(integer, text, text, text, text)
  to gmail_sync_service, gmail_sync_dba;
