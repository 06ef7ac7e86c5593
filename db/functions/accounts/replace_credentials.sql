-- Replaces sealed credentials by those that Google renewed. False when the stored ones are not the
-- expected ones. It needs no lease, because Google may already have invalidated the old ones.

create or replace function gmail_sync.replace_credentials(
  p_user_id text, p_expected_credentials bytea, p_renewed bytea
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform gmail_sync._require_user_here(p_user_id);
  update gmail_sync.account
  set credentials = p_renewed
  where user_id = p_user_id
    and credentials = p_expected_credentials;

  return found;
end;
$$;

comment on function gmail_sync.replace_credentials(text, bytea, bytea) is
'Replace sealed credentials by renewed ones; false when the stored ones have changed.';

revoke all on function gmail_sync.replace_credentials(text, bytea, bytea) from public;
grant execute on function gmail_sync.replace_credentials(text, bytea, bytea) to gmail_sync_service;
