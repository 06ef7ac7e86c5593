-- The name of a quota profile that is given by its name or its alias. Raises SY003 for an unknown
-- one.

create or replace function gmail_sync._quota_profile_name(p_quota_profile text)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text;
begin
  select q.name into v_name
  from gmail_sync.quota_profile q
  where p_quota_profile in (q.name, q.alias);
  if not found then
    raise exception 'there is no quota profile %', p_quota_profile
      using errcode = 'SY003', hint = 'Choose a name of gmail_sync.quota_profile.';
  end if;
  return v_name;
end;
$$;

comment on function gmail_sync._quota_profile_name(text) is
'The name of a quota profile that is given by its name or its alias.';

revoke all on function gmail_sync._quota_profile_name(text) from public;
