create or replace function gmail_sync.schema_version()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select version_num from gmail_sync.alembic_version;
$$;

comment on function gmail_sync.schema_version() is
'The Alembic revision the schema stands at.';

revoke all on function gmail_sync.schema_version() from public;
grant execute on function gmail_sync.schema_version() to gmail_sync_service, gmail_sync_dba;
