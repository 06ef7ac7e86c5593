-- Deletes up to p_limit rows of the lists of labels; true when none is left. The rows that say that
-- a list is complete come first, so what is left settles nothing.

create or replace function gmail_sync._delete_label_lists(p_user_id text, p_limit integer)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deleted integer;
begin
  delete from gmail_sync.label_listing
  where ctid = any (array(
    select i.ctid
    from gmail_sync.label_listing i
    where i.user_id = p_user_id
    order by i.message_id
    limit p_limit
  ));
  get diagnostics v_deleted = row_count;
  return v_deleted < p_limit;
end;
$$;

comment on function gmail_sync._delete_label_lists(text, integer) is
'Delete some rows of the lists of labels; true when none is left.';

revoke all on function gmail_sync._delete_label_lists(text, integer) from public;
