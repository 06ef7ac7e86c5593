-- Gmail's labelIds as a sorted set, so that two can be compared. Absent means none.

create or replace function gmail_sync._label_ids(p_label_ids jsonb)
returns text[]
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select gmail_sync._relabel('{}', gmail_sync._text_array(p_label_ids), null);
$$;

comment on function gmail_sync._label_ids(jsonb) is
'Gmail''s labelIds as a sorted set.';

revoke all on function gmail_sync._label_ids(jsonb) from public;
