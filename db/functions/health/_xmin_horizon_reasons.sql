-- What keeps vacuum from removing dead rows: the oldest transaction and the oldest prepared one of
-- this database, replication slots, and standbys. Slots and standbys do not say since when, so
-- their transactions count: a million.
--
-- Without the rights of pg_monitor, other roles' transactions and standbys are not seen.

create or replace function gmail_sync._xmin_horizon_reasons()
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  with longest as (
    select longest_transaction as length from gmail_sync.settings
  )
  (
    select format(
      'a transaction of process %1$s, role %2$I, has been open for %3$s s and holds back vacuum: '
      'end it with select pg_terminate_backend(%1$s);',
      pid, usename, round(extract(epoch from clock_timestamp() - xact_start))
    )
    from pg_stat_activity
    where datname = current_database()
      and backend_type = 'client backend'
      and (backend_xmin is not null or backend_xid is not null)
      and xact_start < clock_timestamp() - (select length from longest)
    order by xact_start
    limit 1
  )
  union all
  (
    select format(
      'a prepared transaction has waited for %s s and holds back vacuum: end it with '
      'commit prepared %L; or rollback prepared %2$L;',
      round(extract(epoch from clock_timestamp() - prepared)), gid
    )
    from pg_prepared_xacts
    where database = current_database()
      and prepared < clock_timestamp() - (select length from longest)
    order by prepared
    limit 1
  )
  union all
  select format(
    'replication slot %1$I holds back vacuum by %2$s transactions: let its reader catch up, or run '
    'select pg_drop_replication_slot(%1$L);', slot_name, held.transactions
  )
  from pg_replication_slots
  cross join lateral (
    select greatest(age(xmin), age(catalog_xmin)) as transactions
  ) held
  where held.transactions > 1000000
  union all
  select format(
    'standby %I holds back vacuum by %s transactions: end its oldest transaction, or turn '
    'hot_standby_feedback off there', application_name, age(backend_xmin)
  )
  from pg_stat_replication
  where age(backend_xmin) > 1000000;
$$;

comment on function gmail_sync._xmin_horizon_reasons() is
'What keeps vacuum from removing dead rows, with what to do.';

revoke all on function gmail_sync._xmin_horizon_reasons() from public;
