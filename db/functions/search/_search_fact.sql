-- The part of a search that asks for a fact about messages. A fact is an entry "=…" of one of the
-- two indexes: words (see _message_vector) or labels (see _label_vector).

create or replace function gmail_sync._search_fact(p_user_id text, p_index text, p_fact text)
returns jsonb
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'sql', format(
      case p_index
        when 'words' then 'w.words @@ %L::tsquery'
        else 'gmail_sync._label_vector(m.user_id, m.internal_date, m.label_ids) @@ %L::tsquery'
      end,
      entry
    ),
    p_index, entry,
    p_index || '_are_exact', true
  )
  from (select '''' || gmail_sync._search_key(p_user_id) || '=' || p_fact || '''') e (entry);
$$;

comment on function gmail_sync._search_fact(text, text, text) is
'The part of a search that asks for a fact about messages.';

revoke all on function gmail_sync._search_fact(text, text, text) from public;
