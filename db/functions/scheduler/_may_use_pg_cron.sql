-- Whether the caller may use pg_cron in this database.

create or replace function gmail_sync._may_use_pg_cron()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from pg_namespace where nspname = 'cron' and has_schema_privilege(oid, 'usage')
  );
$$;

comment on function gmail_sync._may_use_pg_cron() is
'Whether the caller may use pg_cron here.';

revoke all on function gmail_sync._may_use_pg_cron() from public;
