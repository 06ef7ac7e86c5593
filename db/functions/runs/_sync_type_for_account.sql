-- Full when forced, when there is no cursor, or when a listing is unfinished.

create or replace function gmail_sync._sync_type_for_account(p_user_id text, p_force_full boolean)
returns text
language plpgsql
stable
as $$
begin
  return case
    when not p_force_full and exists (
      select
      from gmail_sync.account
      where user_id = p_user_id
        and history_id is not null
        and listing_history_id is null
    ) then 'incremental'
    else 'full'
  end;
end;
$$;

comment on function gmail_sync._sync_type_for_account(text, boolean) is
'The kind of sync an account needs.';

revoke all on function gmail_sync._sync_type_for_account(text, boolean) from public;
