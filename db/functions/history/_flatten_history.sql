-- Gmail's history records as one row for each message, or message and label, they name.
-- `messages` of a record repeats the others and is ignored.

create or replace function gmail_sync._flatten_history(p_history jsonb)
returns table (record_id numeric, kind text, message_id text, label_id text, thread_id text)
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select
    (h.record ->> 'id')::numeric,
    k.kind,
    e.event -> 'message' ->> 'id',
    l.label_id,
    -- A longer one, which is not Gmail's, would not fit into an index.
    left(e.event -> 'message' ->> 'threadId', 255)
  from jsonb_array_elements(p_history) as h (record)
  cross join unnest(
    array['messagesAdded', 'messagesDeleted', 'labelsAdded', 'labelsRemoved']
  ) as k (kind)
  cross join lateral jsonb_array_elements(
    case when jsonb_typeof(h.record -> k.kind) = 'array' then h.record -> k.kind else '[]' end
  ) as e (event)
  left join lateral jsonb_array_elements_text(
    case
      when k.kind in ('labelsAdded', 'labelsRemoved')
        and jsonb_typeof(e.event -> 'labelIds') = 'array' then e.event -> 'labelIds'
    end
  ) as l (label_id) on true
  where e.event -> 'message' ->> 'id' is not null;
$$;

comment on function gmail_sync._flatten_history(jsonb) is
'Gmail''s history records as rows.';

revoke all on function gmail_sync._flatten_history(jsonb) from public;
