-- Locks the first stream that can be sent to now, of the webhook that comes after p_after: 0 or 1
-- row. After the last webhook comes the first. A webhook that fails gets one attempt at a time,
-- others up to p_per_webhook. One that has them is passed over, however much waits for it.

create or replace function gmail_sync._lock_next_ready_stream(
  p_after text, p_per_webhook integer
)
returns setof gmail_sync.webhook_stream
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_sort = off
as $$
declare
  v_place text := p_after;
  v_is_second_half boolean := false;
begin
  loop
    select s.webhook_id into v_place
    from gmail_sync.webhook_stream s
    where s.webhook_id > v_place
      and s.waiting_since is not null
      and s.due_at is null
    order by s.webhook_id, s.waiting_since
    limit 1;
    if v_place is null and not v_is_second_half then
      v_is_second_half := true;
      v_place := '';
      continue;
    end if;
    exit when v_place is null or (v_is_second_half and v_place > p_after);

    if gmail_sync._webhook_has_room(v_place, p_per_webhook) then
      return query
        select s.*
        from gmail_sync.webhook_stream s
        -- By equality Postgres may read what waits for all webhooks, the oldest first.
        where s.webhook_id between v_place and v_place
          and s.waiting_since is not null
          and s.due_at is null
          -- Another node has the streams of other users. The one without a user is for tests.
          and (
            s.user_id = ''
            or gmail_sync._user_slot(s.user_id)
              <> all (array(select e.slot from gmail_sync.slot_elsewhere e))
          )
        order by s.webhook_id, s.waiting_since
        limit 1
        for update of s skip locked;
      exit when found;
    end if;
  end loop;
end;
$$;

comment on function gmail_sync._lock_next_ready_stream(text, integer) is
'The next stream that can be sent to now, locked: 0 or 1 row.';

revoke all on function gmail_sync._lock_next_ready_stream(text, integer) from public;
