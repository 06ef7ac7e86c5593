-- The index entries of a message's labels: each label, "own" for any label that the user made, and
-- the periods of its date.

create or replace function gmail_sync._label_vector(
  p_user_id text, p_internal_date timestamptz, p_label_ids text[]
)
returns tsvector
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select array_to_tsvector(
    array(
      select gmail_sync._search_key(p_user_id) || 'L' || left(label_id, 200)
      from unnest(p_label_ids) label_id
      where label_id <> ''
      union all
      select gmail_sync._search_key(p_user_id) || '=own'
      where exists (select from unnest(p_label_ids) o (id) where o.id ^@ 'Label_')
      union all
      select gmail_sync._period_entry(p_user_id, period, p_internal_date)
      from unnest(array['all', 'year', 'month', 'day']) period
    )
  );
$$;

comment on function gmail_sync._label_vector(text, timestamptz, text[]) is
'The index entries of a message''s labels.';

revoke all on function gmail_sync._label_vector(text, timestamptz, text[]) from public;
