-- By what adopt_legacy_sync_status orders rows. Only sorts, so it is closed to nobody who may
-- adopt.

create or replace function gmail_sync._row_time(p_row jsonb)
returns timestamptz
language sql
immutable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    gmail_sync._try_time(p_row ->> 'updated_at'), gmail_sync._try_time(p_row ->> 'started_at')
  );
$$;

comment on function gmail_sync._row_time(jsonb) is
'When a legacy row was last alive.';

revoke all on function gmail_sync._row_time(jsonb) from public;
grant execute on function gmail_sync._row_time(jsonb) to gmail_sync_dba;
