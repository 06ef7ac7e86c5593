-- Gmail's labelIds as a sorted set, so that two can be compared. Absent means none.

create or replace function gmail_sync._sorted_label_ids(p_label_ids jsonb)
returns text[]
language plpgsql
immutable
as $$
begin
  return array(
    select distinct label_id
    from jsonb_array_elements_text(coalesce(p_label_ids, '[]')) as l (label_id)
    order by label_id
  );
end;
$$;

comment on function gmail_sync._sorted_label_ids(jsonb) is
'Gmail''s labelIds as a sorted set.';

revoke all on function gmail_sync._sorted_label_ids(jsonb) from public;
