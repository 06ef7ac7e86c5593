-- Those of the given messages whose labels the lists settle, as refresh_messages takes them; NULL
-- for none. They are queued, stored, and have no label but listed ones.

create or replace function gmail_sync._settled_messages(p_user_id text, p_message_ids text[])
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_label_ids text[] := array(
    select l.label_id from gmail_sync.label l where l.user_id = p_user_id
  );
  -- By message. Looked up there, and not joined: a plan may compare each message with all others.
  v_listed jsonb := (
    select jsonb_object_agg(i.message_id, i.label_ids)
    from (
      select l.message_id, jsonb_agg(l.label_id) as label_ids
      from gmail_sync.label_listing l
      where l.user_id = p_user_id
        and l.message_id = any (p_message_ids)
      group by l.message_id
    ) i
  );
begin
  return (
    select jsonb_agg(jsonb_build_object(
      'message_id', w.message_id,
      'history_id', a.listing_history_id,
      'label_ids', v_listed -> w.message_id
    ))
    from gmail_sync._fetch_state(p_user_id, p_message_ids) w
    join gmail_sync.account a on a.user_id = p_user_id
    join gmail_sync.fetch_queue q
      on q.user_id = p_user_id
      and q.message_id = w.message_id
      and q.message_id = any (p_message_ids)
      and not q.dead
    join gmail_sync.message m
      on m.user_id = p_user_id
      and m.message_id = w.message_id
      and m.message_id = any (p_message_ids)
    where w.known
      and m.label_ids <@ v_label_ids
  );
end;
$$;

comment on function gmail_sync._settled_messages(text, text[]) is
'Those of the given messages whose labels the lists settle.';

revoke all on function gmail_sync._settled_messages(text, text[]) from public;
