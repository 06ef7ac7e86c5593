-- The labels of an imported message, as a JSON array of ids.

create or replace function gmail_sync._imported_label_ids(
  p_user_id text, p_label_ids text[], p_label_names text[]
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    (
      select jsonb_agg(l.label_id)
      from gmail_sync.label l
      where l.user_id = p_user_id
        and (l.label_id = any (p_label_ids) or (l.type = 'user' and l.name = any (p_label_names)))
    ),
    '[]'
  );
end;
$$;

comment on function gmail_sync._imported_label_ids(text, text[], text[]) is
'The labels of an imported message, as a JSON array of ids.';

revoke all on function gmail_sync._imported_label_ids(text, text[], text[]) from public;
