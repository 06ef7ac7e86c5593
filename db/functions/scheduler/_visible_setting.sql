-- The value of a setting, or NULL when the server has none or does not show it to the owner of this
-- schema. Some settings are shown only to members of pg_monitor, and not every role that installs
-- the schema may make its owner a member.

create or replace function gmail_sync._visible_setting(p_name text)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select case when pg_has_role('pg_monitor', 'usage') then current_setting(p_name, true) end;
$$;

comment on function gmail_sync._visible_setting(text) is
'The value of a setting; NULL when the owner of this schema may not see it.';

revoke all on function gmail_sync._visible_setting(text) from public;
