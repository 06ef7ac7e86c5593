-- The index entries of a message's labels: each label, "own" for any label that the user made, and
-- the periods of its date. Each store and each change of labels calls it, so it is a loop: a query
-- takes twice the time.

create or replace function gmail_sync._label_vector(
  p_user_id text, p_internal_date timestamptz, p_label_ids text[]
)
returns tsvector
language plpgsql
immutable
as $$
declare
  v_key text := gmail_sync._search_key(p_user_id);
  v_entries text[] := array[
    gmail_sync._period_entry(p_user_id, 'year', p_internal_date),
    gmail_sync._period_entry(p_user_id, 'month', p_internal_date),
    gmail_sync._period_entry(p_user_id, 'day', p_internal_date)
  ];
  v_is_own boolean := false;
  v_label_id text;
begin
  foreach v_label_id in array p_label_ids loop
    v_entries := v_entries || (v_key || 'L' || coalesce(left(v_label_id, 200), ''));
    v_is_own := v_is_own or coalesce(v_label_id ^@ 'Label_', false);
  end loop;
  if v_is_own then
    v_entries := v_entries || (v_key || '=own');
  end if;
  return array_to_tsvector(v_entries);
end;
$$;

comment on function gmail_sync._label_vector(text, timestamptz, text[]) is
'The index entries of a message''s labels.';

revoke all on function gmail_sync._label_vector(text, timestamptz, text[]) from public;
