-- The reasons why autovacuum does not keep up, with what to do. A table has too many dead rows if
-- they are five times what autovacuum waits for, and at least 10,000. Its last vacuum was then
-- longest_transaction ago. Transaction ids are low once half of them are used.
--
-- Only settings, statistics and the catalog's entries of this schema are read.

create or replace function gmail_sync._vacuum_reasons()
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  with ours as (
    select c.oid, c.relname, c.reltuples, c.reloptions || t.reloptions as reloptions,
      pg_stat_get_dead_tuples(c.oid) as dead,
      coalesce(
        greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)),
        pg_postmaster_start_time()
      ) as vacuumed_at,
      coalesce(o.threshold, current_setting('autovacuum_vacuum_threshold')::float8)
        + coalesce(o.scale_factor, current_setting('autovacuum_vacuum_scale_factor')::float8)
        * greatest(c.reltuples, 0) as threshold
    -- pg_class has no index by schema.
    from pg_depend d
    join pg_class c on c.oid = d.objid
    left join pg_class t on t.oid = c.reltoastrelid
    cross join lateral (
      select
        max(option_value::float8) filter (where option_name = 'autovacuum_vacuum_threshold'),
        max(option_value::float8) filter (where option_name = 'autovacuum_vacuum_scale_factor')
      from pg_options_to_table(c.reloptions)
    ) as o (threshold, scale_factor)
    where d.refclassid = 'pg_namespace'::regclass
      and d.refobjid = 'gmail_sync'::regnamespace
      and d.classid = 'pg_class'::regclass
      and c.relkind = 'r'
  )
  select format('%s is off, so nothing vacuums: set it to on, then select pg_reload_conf();', name)
  from unnest(array['autovacuum', 'track_counts']) as name
  where current_setting(name) = 'off'
  union all
  select format(
    'autovacuum is off for gmail_sync.%1$s: run alter table gmail_sync.%1$s '
    'reset (autovacuum_enabled, toast.autovacuum_enabled);', relname
  )
  from ours
  where exists (
    select from pg_options_to_table(reloptions)
    where option_name = 'autovacuum_enabled' and not option_value::boolean
  )
  union all
  select format(
    'autovacuum does not keep up: gmail_sync.%1$s has %2$s dead rows and was last vacuumed before '
    '%3$s UTC. Run vacuum gmail_sync.%1$s; and raise autovacuum_vacuum_cost_limit',
    relname, dead, to_char(vacuumed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
  )
  from ours
  where dead > greatest(5 * threshold, 10000)
    and vacuumed_at < now() - (select longest_transaction from gmail_sync.settings)
  union all
  select format(
    'database %I has used %s million of 2,147 million transaction ids: end what holds back vacuum '
    'there, then run vacuum (freeze);', datname, age(datfrozenxid) / 1000000
  )
  from pg_database
  where age(datfrozenxid) > 1073741824;
$$;

comment on function gmail_sync._vacuum_reasons() is
'The reasons why autovacuum does not keep up, with what to do.';

revoke all on function gmail_sync._vacuum_reasons() from public;
