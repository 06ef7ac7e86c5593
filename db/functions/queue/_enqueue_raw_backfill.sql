-- Queues those of the next p_limit stored messages that have no raw copy, newest first, and counts
-- them as pending. True when the walk through the mailbox is over; _set_content_mode begins it.

create or replace function gmail_sync._enqueue_raw_backfill(
  p_task_id text, p_user_id text, p_limit integer
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_account gmail_sync.account;
  v_missing text[];
  v_queued text[];
begin
  select * into v_account from gmail_sync.account a where a.user_id = p_user_id;
  if v_account.backfilled_to is null then
    return true;
  end if;
  select coalesce(array_agg(s.message_id order by s.n) filter (where s.is_missing), '{}'),
    min(s.internal_date) filter (where s.n = p_limit),
    min(s.message_id) filter (where s.n = p_limit)
  into v_missing, v_account.backfilled_to, v_account.backfilled_to_id
  from (
    select m.message_id, m.internal_date, m.raw is null and m.deleted_at is null as is_missing,
      row_number() over (order by m.internal_date desc, m.message_id desc) as n
    from gmail_sync.message m
    where m.user_id = p_user_id
      and (m.internal_date, m.message_id) < (v_account.backfilled_to, v_account.backfilled_to_id)
    order by m.internal_date desc, m.message_id desc
    limit p_limit
  ) s;
  update gmail_sync.account a
  set backfilled_to = v_account.backfilled_to, backfilled_to_id = v_account.backfilled_to_id
  where a.user_id = p_user_id;

  with queued as (
    insert into gmail_sync.fetch_queue (user_id, message_id, reason)
    select p_user_id, i.message_id, 'raw_backfill'
    from unnest(v_missing) with ordinality as i (message_id, n)
    order by i.n
    on conflict do nothing
    returning message_id
  )
  select coalesce(array_agg(q.message_id), '{}') into v_queued from queued q;
  perform gmail_sync._update_counts_fenced(
    p_task_id, p_user_id, v_queued,
    array_fill('pending'::text, array[cardinality(v_queued)]), 'listing', false
  );
  return v_account.backfilled_to is null;
end;
$$;

comment on function gmail_sync._enqueue_raw_backfill(text, text, integer) is
'Queue some of the messages that have no raw copy; true when the walk is over.';

revoke all on function gmail_sync._enqueue_raw_backfill(text, text, integer) from public;
