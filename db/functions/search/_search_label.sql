-- The part of a search that asks for a label.

create or replace function gmail_sync._search_label(p_user_id text, p_label_id text)
returns jsonb
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'sql', format('m.label_ids @> array[%L]', p_label_id),
    'labels', '''' || replace(
      replace(gmail_sync._search_key(p_user_id) || 'L' || left(p_label_id, 200), E'\\', E'\\\\'),
      '''', ''''''
    ) || '''',
    -- A longer id shares its entry with others.
    'labels_are_exact', char_length(p_label_id) < 200,
    'shows_hidden', p_label_id in ('TRASH', 'SPAM')
  );
$$;

comment on function gmail_sync._search_label(text, text) is
'The part of a search that asks for a label.';

revoke all on function gmail_sync._search_label(text, text) from public;
