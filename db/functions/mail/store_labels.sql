-- Replaces the labels of an account by those that Gmail lists, an array of {"id", "name", "type"}.
-- A deleted label is also removed from the messages. An empty list changes nothing, because Gmail
-- always has labels of its own. Raises SY001 when the lease is gone.

create or replace function gmail_sync.store_labels(p_task_id text, p_labels jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := gmail_sync._fence(p_task_id);
  v_dropped text[] := array(
    select label_id from gmail_sync.label where user_id = v_user_id
    except
    select l ->> 'id' from jsonb_array_elements(p_labels) l
  );
  v_message_ids text[] := array[]::text[];
begin
  if v_dropped <> '{}' and jsonb_array_length(p_labels) > 0 then
    -- Gmail takes a deleted label off its messages, and leaves no history of that. This reads
    -- all of the user's mail.
    with stripped as (
      update gmail_sync.message m
      set label_ids = gmail_sync._apply_label_changes(m.label_ids, null, v_dropped),
        change_number = nextval('gmail_sync.message_change')
      where m.user_id = v_user_id
        and m.deleted_at is null
        and m.label_ids && v_dropped
      returning m.message_id
    )
    select coalesce(array_agg(message_id), '{}') into v_message_ids from stripped;

    delete from gmail_sync.label where user_id = v_user_id and label_id = any (v_dropped);
  end if;

  insert into gmail_sync.label as stored (user_id, label_id, name, type)
  select distinct on (l.id) v_user_id, l.id, coalesce(l.name, l.id), coalesce(l.type, 'user')
  from jsonb_to_recordset(p_labels) as l (id text, name text, type text)
  where l.id is not null
  order by l.id
  on conflict (user_id, label_id) do update
  set name = excluded.name, type = excluded.type
  where (stored.name, stored.type) is distinct from (excluded.name, excluded.type);

  perform gmail_sync._update_counts_fenced(
    p_task_id, v_user_id, v_message_ids,
    array_fill('updated'::text, array[cardinality(v_message_ids)]), null, false
  );
end;
$$;

comment on function gmail_sync.store_labels(text, jsonb) is
'Replace the labels of an account by those Gmail lists.';

revoke all on function gmail_sync.store_labels(text, jsonb) from public;
grant execute on function gmail_sync.store_labels(text, jsonb) to gmail_sync_service;
