-- Why pg_cron cannot run in this database, with the remedy; NULL when no reason is known.

create or replace function gmail_sync._pg_cron_obstacle()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select reason
    || ' To do without pg_cron, run: select * from gmail_sync.schedule_jobs(''service'');'
  from (
    select case
      when not exists (select from pg_available_extensions where name = 'pg_cron') then format(
        'pg_cron is not installed on the server. Install the package postgresql-%s-cron. Then set '
        'shared_preload_libraries = ''pg_cron'' and cron.database_name = ''%s'' in '
        'postgresql.conf, restart Postgres and run: select * from gmail_sync.schedule_jobs();',
        current_setting('server_version_num')::int / 10000, current_database()
      )
      when gmail_sync._visible_setting('shared_preload_libraries') !~ E'\\mpg_cron\\M' then format(
        'pg_cron is not loaded: set shared_preload_libraries = ''pg_cron'' and '
        'cron.database_name = ''%s'' in postgresql.conf, restart Postgres and run: '
        'select * from gmail_sync.schedule_jobs();',
        current_database()
      )
      when gmail_sync._visible_setting('cron.database_name') <> current_database() then format(
        'pg_cron works in database %s, not in this one: set cron.database_name = ''%s'' in '
        'postgresql.conf, restart Postgres and run: select * from gmail_sync.schedule_jobs();',
        gmail_sync._visible_setting('cron.database_name'), current_database()
      )
    end
  ) as obstacle (reason);
$$;

comment on function gmail_sync._pg_cron_obstacle() is
'Why pg_cron cannot run in this database, with the remedy; NULL when it can.';

revoke all on function gmail_sync._pg_cron_obstacle() from public;
