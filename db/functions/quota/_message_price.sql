-- What messages.get costs for a whole message of a user, in the format of the account's content
-- mode; NULL without prices.

create or replace function gmail_sync._message_price(p_user_id text)
returns integer
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select c.units
    from gmail_sync.account a
    join gmail_sync.quota_cost c on c.profile = a.quota_profile
    where a.user_id = p_user_id
      and c.method = 'messages.get'
      and c.format = a.content_mode
  );
end;
$$;

comment on function gmail_sync._message_price(text) is
'What messages.get costs for a whole message of a user.';

revoke all on function gmail_sync._message_price(text) from public;
