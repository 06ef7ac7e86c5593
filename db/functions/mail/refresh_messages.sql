-- Brings known messages up to date from Gmail's minimal form: an array of objects with
-- message_id, history_id and label_ids. Takes them out of the queue and counts them as
-- updated or unchanged. Message ids must be distinct. Raises SY001 when the lease is gone.

create or replace function gmail_sync.refresh_messages(p_task_id text, p_messages jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_message_ids text[];
  v_changed text[];
begin
  select coalesce(array_agg(m ->> 'message_id' order by m ->> 'message_id'), '{}')
  into v_message_ids
  from jsonb_array_elements(p_messages) m;

  delete from gmail_sync.fetch_queue
  where user_id = v_user_id
    and message_id = any (v_message_ids);
  perform gmail_sync._end_fetch(v_user_id, v_message_ids);

  with changed as (
    update gmail_sync.message m
    set label_ids = gmail_sync._sorted_label_ids(g.label_ids),
      history_id = g.history_id,
      change_number = nextval('gmail_sync.message_change')
    from jsonb_to_recordset(p_messages) as g (
      message_id text, history_id numeric, label_ids jsonb
    )
    where m.user_id = v_user_id
      and m.message_id = g.message_id
      and m.message_id = any (v_message_ids)
      and m.label_ids <> gmail_sync._sorted_label_ids(g.label_ids)
    returning m.message_id
  )
  select coalesce(array_agg(c.message_id), '{}') into v_changed from changed c;

  perform gmail_sync._enqueue_missing_raw(v_user_id, v_message_ids);
  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_message_ids,
    array(
      select case when u.id = any (v_changed) then 'updated' else 'unchanged' end
      from unnest(v_message_ids) with ordinality as u (id, n)
      order by u.n
    ),
    'fetching'
  );
end;
$$;

comment on function gmail_sync.refresh_messages(text, jsonb) is
'Bring the labels of known messages up to date; SY001 when the lease is gone.';

revoke all on function gmail_sync.refresh_messages(text, jsonb) from public;
grant execute on function gmail_sync.refresh_messages(text, jsonb) to gmail_sync_service;
