-- Whether the list of a label's messages is stored to its end.

create or replace function gmail_sync._label_is_listed(p_label gmail_sync.label)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from gmail_sync.label_listing i
    where i.user_id = p_label.user_id
      and i.message_id = ''
      and i.label_id = p_label.label_id
  );
$$;

comment on function gmail_sync._label_is_listed(gmail_sync.label) is
'Whether the list of a label''s messages is stored to its end.';

revoke all on function gmail_sync._label_is_listed(gmail_sync.label) from public;
