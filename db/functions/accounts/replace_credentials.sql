-- Keeps sealed credentials that Google renewed in place of those they were renewed from; false
-- when the account has others by now. Needs no lease: Google may have made the old ones invalid,
-- whoever asked it to.

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
  update gmail_sync.account
  set credentials = p_renewed
  where user_id = p_user_id
    and credentials = p_expected_credentials;

  return found;
end;
$$;

comment on function gmail_sync.replace_credentials(text, bytea, bytea) is
'Keep sealed credentials that Google renewed; false when the account has others by now.';

revoke all on function gmail_sync.replace_credentials(text, bytea, bytea) from public;
grant execute on function gmail_sync.replace_credentials(text, bytea, bytea) to gmail_sync_service;
