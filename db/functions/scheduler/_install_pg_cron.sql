-- Installs the extension pg_cron if it is missing, with the caller's rights. Returns what is in the
-- way, with the remedy, or NULL.

create or replace function gmail_sync._install_pg_cron()
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_refusal text := 'pg_cron is not open to it';
begin
  if not exists (select from pg_extension where extname = 'pg_cron') then
    begin
      create extension pg_cron;
      -- A provider may have created it under another role, which then owns it.
      if pg_has_role((select extowner from pg_extension where extname = 'pg_cron'), 'usage') then
        comment on extension pg_cron is 'installed by gmail-sync';
      end if;
    -- The last two: pg_cron works in another database, or is not loaded.
    exception when insufficient_privilege or raise_exception or undefined_object then
      v_refusal := sqlerrm;
    end;
  end if;

  return case when not gmail_sync._may_use_pg_cron() then format(
    'role %I cannot schedule jobs: %s. An administrator has to run in this database: '
    'create extension if not exists pg_cron; grant usage on schema cron to %I. '
    'Then run select * from gmail_sync.schedule_jobs(). '
    'To do without pg_cron, run select * from gmail_sync.schedule_jobs(''service'').',
    current_user, v_refusal, current_user
  ) end;
end;
$$;

comment on function gmail_sync._install_pg_cron() is
'Install pg_cron if it is missing; returns what is in the way, with the remedy.';

revoke all on function gmail_sync._install_pg_cron() from public;
