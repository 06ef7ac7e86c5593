-- Whether the list of a label's messages is stored to its end.

create or replace function gmail_sync._label_is_listed(p_label gmail_sync.label)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from gmail_sync.label_page p
    where p.user_id = p_label.user_id
      and p.label_id = p_label.label_id
      and p.is_last
  );
$$;

comment on function gmail_sync._label_is_listed(gmail_sync.label) is
'Whether the list of a label''s messages is stored to its end.';

revoke all on function gmail_sync._label_is_listed(gmail_sync.label) from public;
