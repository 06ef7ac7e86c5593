-- Puts the next event of a stream into its row, which the caller has locked. False when there is
-- nothing to send. An event of a run or account comes after the changes before it. While the row is
-- locked no change of the user can be committed, so nothing is passed over.

create or replace function gmail_sync._load_webhook_event(p_webhook_id text, p_user_id text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_stream gmail_sync.webhook_stream;
  v_event gmail_sync.webhook_event;
  v_change record;
  v_wanted text[] := (select w.events::text[] from gmail_sync.webhook w where w.id = p_webhook_id);
begin
  loop
    select * into v_stream
    from gmail_sync.webhook_stream s
    where s.webhook_id = p_webhook_id and s.user_id = p_user_id;
    if v_stream.event_id is not null then
      return true;
    end if;

    select * into v_event
    from gmail_sync.webhook_event e
    where e.webhook_id = p_webhook_id and e.user_id = p_user_id
    order by e.id
    limit 1;
    select * into v_change
    from gmail_sync._next_changes(
      v_stream, v_wanted, coalesce(v_event.change_number, 9223372036854775807)
    );
    exit when v_change.read_to is null or v_change.type is not null;
    update gmail_sync.webhook_stream s
    set change_number = v_change.read_to
    where s.webhook_id = p_webhook_id and s.user_id = p_user_id;
  end loop;

  if v_change.type is not null then
    v_event := null;
    v_event.event_id := 'msg_' || replace(gen_random_uuid()::text, '-', '');
    v_event.type := v_change.type;
    v_event.created_at := clock_timestamp();
    v_event.change_number := v_change.change_number;
    v_event.data := jsonb_build_object('user_id', p_user_id, 'message_ids', v_change.message_ids);
  elsif v_event.id is null then
    return false;
  end if;
  update gmail_sync.webhook_stream s
  set event_id = v_event.event_id,
    event_type = v_event.type,
    event_body = jsonb_build_object(
      'type', v_event.type,
      'timestamp', gmail_sync._iso_time(v_event.created_at),
      'data', v_event.data || jsonb_build_object('change_number', v_event.change_number)
    ),
    event_number = v_change.read_to,
    queued_id = v_event.id
  where s.webhook_id = p_webhook_id and s.user_id = p_user_id;
  return true;
end;
$$;

comment on function gmail_sync._load_webhook_event(text, text) is
'Put the next event of a stream into its row; false when there is nothing to send.';

revoke all on function gmail_sync._load_webhook_event(text, text) from public;
