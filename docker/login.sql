-- The login role of the service: a member of gmail_sync_service and nothing else.
-- Run by a superuser after the migration, with LOGIN_PASSWORD in psql's environment. Safe to run twice.
\getenv password LOGIN_PASSWORD

select 'create role gmail_sync_login login in role gmail_sync_service'
where not exists (select from pg_catalog.pg_roles where rolname = 'gmail_sync_login')
\gexec

alter role gmail_sync_login password :'password';
