-- Moves messages between counts, as the last statement of every write. One UPDATE of the run row is
-- fence, counts, progress and heartbeat. Raises SY001 when the lease is gone, which rolls the whole
-- write back.
--
-- Each message is in one count of its run chain. A new message whose labels change in the same
-- chain stays new; one found unchanged stays as it was; otherwise it moves. Message ids must be
-- distinct. A NULL phase keeps the current one. p_progressed is false where nothing was achieved
-- yet: such a write is a heartbeat, but does not reset the attempts.

create or replace function gmail_sync._update_counts_fenced(
  p_task_id text, p_user_id text, p_message_ids text[], p_buckets text[], p_phase text,
  p_progressed boolean default true
)
returns void
language plpgsql
volatile
as $$
begin
  with given as (
    select g.message_id, t.bucket as before,
      case
        when t.settled = 'new' and g.bucket in ('updated', 'unchanged') then 'new'
        when t.settled = 'updated' and g.bucket = 'unchanged' then 'updated'
        else g.bucket
      end as after
    from unnest(p_message_ids, p_buckets) as g (message_id, bucket)
    left join gmail_sync.touched t
      on t.user_id = p_user_id
      and t.message_id = g.message_id
      and t.message_id = any (p_message_ids)
  ),
  -- Not ON CONFLICT, which writes more: the lock of the user's mail keeps other writers away.
  first as (
    insert into gmail_sync.touched (user_id, message_id, bucket, settled)
    select p_user_id, message_id, after, nullif(after, 'pending')
    from given
    where before is null
  ),
  moved as (
    update gmail_sync.touched t
    set bucket = g.after, settled = coalesce(nullif(g.after, 'pending'), t.settled)
    from given g
    where g.before <> g.after
      and t.user_id = p_user_id
      and t.message_id = g.message_id
      and t.message_id = any (p_message_ids)
  ),
  change as (
    select
      count(*) filter (where before is null) as found,
      count(*) filter (where after = 'new') - count(*) filter (where before = 'new') as new,
      count(*) filter (where after = 'updated')
        - count(*) filter (where before = 'updated') as updated,
      count(*) filter (where after = 'unchanged')
        - count(*) filter (where before = 'unchanged') as unchanged,
      count(*) filter (where after = 'deleted')
        - count(*) filter (where before = 'deleted') as deleted,
      count(*) filter (where after = 'gone') - count(*) filter (where before = 'gone') as gone,
      count(*) filter (where after = 'failed')
        - count(*) filter (where before = 'failed') as failed,
      count(*) filter (where after = 'pending')
        - count(*) filter (where before = 'pending') as pending
    from given
  )
  update gmail_sync.user_sync_status r
  set found = r.found + c.found,
    new = r.new + c.new,
    updated = r.updated + c.updated,
    unchanged = r.unchanged + c.unchanged,
    deleted = r.deleted + c.deleted,
    gone = r.gone + c.gone,
    failed = r.failed + c.failed,
    pending = r.pending + c.pending,
    progress_percentage = greatest(
      r.progress_percentage,
      least(
        99,
        100 * (r.found + c.found - r.pending - c.pending)::bigint / greatest(1, r.found + c.found)
      )
    ),
    phase = coalesce(p_phase, r.phase),
    waiting_until = case when p_phase is null then r.waiting_until end,
    -- The first batch that is taken begins the measure of the speed.
    fetching_at = case
      when p_phase = 'fetching' and not p_progressed
        then coalesce(r.fetching_at, clock_timestamp())
      else r.fetching_at
    end,
    done_at_fetch = case
      when r.fetching_at is null then r.found + c.found - r.pending - c.pending
      else r.done_at_fetch
    end,
    updated_at = clock_timestamp(),
    progressed_at = case when p_progressed then clock_timestamp() else r.progressed_at end
  from change c
  where r.task_id = p_task_id
    and r.finished_at is null;

  if not found then
    perform gmail_sync._raise_lease_lost(p_task_id);
  end if;
  -- The run's row is locked before those of webhooks, as it is when a run ends.
  perform gmail_sync._queue_for_webhooks(p_user_id);
end;
$$;

comment on function gmail_sync._update_counts_fenced(text, text, text[], text[], text, boolean) is
'Move messages into counts, as the fencing last statement of a write.';

revoke all on function gmail_sync._update_counts_fenced(text, text, text[], text[], text, boolean)
  from public;
