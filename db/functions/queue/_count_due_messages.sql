-- Enters due messages into the counts of a run as found and pending: those among the next p_limit
-- of the queue after p_after. Returns where to go on, NULL at the end of the queue.

create or replace function gmail_sync._count_due_messages(
  p_task_id text, p_user_id text, p_after text, p_limit integer
)
returns text
language plpgsql
volatile
as $$
declare
  v_queued integer;
  v_last text;
  v_due text[];
begin
  select count(*)::integer, max((s.queued).message_id),
    coalesce(array_agg((s.queued).message_id) filter (
      where not (s.queued).dead
        and ((s.queued).not_before <= clock_timestamp() or gmail_sync._wait_is_over(s.queued))
    ), '{}')
  into v_queued, v_last, v_due
  from (
    select q as queued
    from gmail_sync.fetch_queue q
    where q.user_id = p_user_id
      and q.message_id > p_after
    order by q.message_id
    limit p_limit
  ) s;

  v_due := array(
    select unnest(v_due)
    except
    select t.message_id
    from gmail_sync.touched t
    where t.user_id = p_user_id
      and t.message_id = any (v_due)
      and t.bucket = 'pending'
  );
  if v_due <> '{}' then
    perform gmail_sync._update_counts_fenced(
      p_task_id, p_user_id, v_due,
      array_fill('pending'::text, array[cardinality(v_due)]), 'listing', false
    );
  end if;
  return case when v_queued = p_limit then v_last end;
end;
$$;

comment on function gmail_sync._count_due_messages(text, text, text, integer) is
'Enter due messages into the counts of a run; returns where to go on.';

revoke all on function gmail_sync._count_due_messages(text, text, text, integer) from public;
