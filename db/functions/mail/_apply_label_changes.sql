-- Label ids after some were added and some removed, sorted.

create or replace function gmail_sync._apply_label_changes(
  p_label_ids text[], p_added text[], p_removed text[]
)
returns text[]
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(distinct l.label_id order by l.label_id), '{}')
  from unnest(p_label_ids || p_added) as l (label_id)
  where l.label_id <> all (coalesce(p_removed, '{}'));
$$;

comment on function gmail_sync._apply_label_changes(text[], text[], text[]) is
'Label ids after some were added and some removed.';

revoke all on function gmail_sync._apply_label_changes(text[], text[], text[]) from public;
