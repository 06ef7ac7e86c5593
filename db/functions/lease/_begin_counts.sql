-- Begins the counts of a chain of runs, p_limit touched messages at a time; true when done. The
-- touched messages belong to one chain. Those that an earlier chain left pending still are, so
-- their rows stay: a million are not written once more.

create or replace function gmail_sync._begin_counts(
  p_task_id text, p_user_id text, p_is_new boolean, p_limit integer
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_after text := case
    when p_is_new then ''
    else (select a.counts_begun_to from gmail_sync.account a where a.user_id = p_user_id)
  end;
  v_touched text[];
  v_pending text[];
  v_rest text;
begin
  if v_after is null then
    return true;
  end if;
  select coalesce(array_agg(s.message_id order by s.message_id), '{}'),
    coalesce(array_agg(s.message_id) filter (where s.bucket = 'pending'), '{}')
  into v_touched, v_pending
  from (
    select t.message_id, t.bucket
    from gmail_sync.touched t
    where t.user_id = p_user_id
      and t.message_id > v_after
    order by t.message_id
    limit p_limit
  ) s;
  -- A message whose run has counted it as pending is due: see _wait_is_over.
  v_pending := array(
    select q.message_id
    from gmail_sync.fetch_queue q
    where q.user_id = p_user_id
      and q.message_id = any (v_pending)
      and not q.dead
  );
  delete from gmail_sync.touched t
  where t.user_id = p_user_id
    and t.message_id = any (array(select unnest(v_touched) except select unnest(v_pending)));
  update gmail_sync.touched t
  set settled = null
  where t.user_id = p_user_id
    and t.message_id = any (v_pending)
    and t.settled is not null;

  update gmail_sync.user_sync_status r
  set found = r.found + cardinality(v_pending), pending = r.pending + cardinality(v_pending)
  where r.task_id = p_task_id
    and v_pending <> '{}';
  v_rest := v_touched[p_limit];
  update gmail_sync.account a
  set counts_begun_to = v_rest
  where a.user_id = p_user_id
    and a.counts_begun_to is distinct from v_rest;
  return v_rest is null;
end;
$$;

comment on function gmail_sync._begin_counts(text, text, boolean, integer) is
'Begin the counts of a chain of runs, in steps; true when done.';

revoke all on function gmail_sync._begin_counts(text, text, boolean, integer) from public;
