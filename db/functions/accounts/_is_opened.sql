-- Whether a user's credentials are still those that somebody opened, an empty value standing for
-- none; always when p_opened is NULL. The caller holds _lock_mail, as does who connects an account.

create or replace function gmail_sync._is_opened(p_user_id text, p_opened bytea)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select p_opened is null
    or p_opened = coalesce(
      (select credentials from gmail_sync.account where user_id = p_user_id), ''
    );
$$;

comment on function gmail_sync._is_opened(text, bytea) is
'Whether a user''s credentials are still those that somebody opened.';

revoke all on function gmail_sync._is_opened(text, bytea) from public;
