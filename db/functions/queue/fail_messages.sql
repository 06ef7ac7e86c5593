-- Records messages that could not be fetched or stored. p_failures is an array of {"message_id",
-- "error_code", "error_message", "gone", "permanent"}. Gone messages are dropped, and tombstoned if
-- they are stored. Permanent failures, and messages out of attempts, are dead-lettered. The others
-- are retried later. Raises SY001 when the lease is gone.

create or replace function gmail_sync.fail_messages(p_task_id text, p_failures jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_gone text[];
  v_known text[];
  v_failed text[];
begin
  v_gone := array(
    select f.message_id
    from jsonb_to_recordset(p_failures) as f (message_id text, gone boolean)
    where f.gone
  );
  -- A call that is repeated, because its answer was lost, finds no batch and charges nothing.
  perform gmail_sync._charge_attempts(
    v_user_id, array(select e ->> 'message_id' from jsonb_array_elements(p_failures) e)
  );
  with failed as (
    update gmail_sync.fetch_queue q
    set error_code = f.error_code,
      error_message = f.error_message,
      dead = coalesce(f.permanent, false)
        or q.attempts >= (select max_message_attempts from gmail_sync.settings),
      not_before = clock_timestamp() + gmail_sync._message_retry_delay(q.attempts)
    from jsonb_to_recordset(p_failures) as f (
      message_id text, error_code text, error_message text, gone boolean, permanent boolean
    )
    where q.user_id = v_user_id
      and q.message_id = f.message_id
      and q.message_id = any (
        array(select e ->> 'message_id' from jsonb_array_elements(p_failures) e)
      )
      and f.gone is not true
    returning q.message_id
  )
  select coalesce(array_agg(f.message_id), '{}') into v_failed from failed f;

  select coalesce(array_agg(m.message_id), '{}') into v_known
  from gmail_sync.message m
  where m.user_id = v_user_id
    and m.message_id = any (v_gone)
    and m.deleted_at is null;
  perform gmail_sync._tombstone_messages(v_user_id, v_gone);

  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id,
    array_agg(c.message_id), array_agg(c.bucket), 'fetching'
  )
  from (
    select f, 'failed' from unnest(v_failed) f
    union all
    select g, case when g = any (v_known) then 'deleted' else 'gone' end from unnest(v_gone) g
  ) as c (message_id, bucket);
end;
$$;

comment on function gmail_sync.fail_messages(text, jsonb) is
'Record messages that could not be fetched: gone, to be retried, or dead-lettered.';

revoke all on function gmail_sync.fail_messages(text, jsonb) from public;
grant execute on function gmail_sync.fail_messages(text, jsonb) to gmail_sync_service;
