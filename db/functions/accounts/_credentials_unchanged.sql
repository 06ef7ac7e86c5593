-- Whether a user's credentials are still the expected ones. NULL accepts any; an empty value
-- expects none. The caller and connect_account hold _lock_user_mail.

create or replace function gmail_sync._credentials_unchanged(
  p_user_id text, p_expected_credentials bytea
)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select p_expected_credentials is null
    or p_expected_credentials = coalesce(
      (select credentials from gmail_sync.account where user_id = p_user_id), ''
    );
$$;

comment on function gmail_sync._credentials_unchanged(text, bytea) is
'Whether a user''s credentials are still those that somebody opened.';

revoke all on function gmail_sync._credentials_unchanged(text, bytea) from public;
