-- Deletes up to p_limit rows of a listing, and of the lists of labels; true when none is left.

create or replace function gmail_sync._delete_listing(p_user_id text, p_limit integer)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_deleted integer;
begin
  delete from gmail_sync.listing
  where ctid = any (array(
    select l.ctid from gmail_sync.listing l where l.user_id = p_user_id limit p_limit
  ));
  get diagnostics v_deleted = row_count;
  return gmail_sync._delete_label_lists(p_user_id, p_limit) and v_deleted < p_limit;
end;
$$;

comment on function gmail_sync._delete_listing(text, integer) is
'Delete some rows of a listing and of the lists of labels; true when none is left.';

revoke all on function gmail_sync._delete_listing(text, integer) from public;
