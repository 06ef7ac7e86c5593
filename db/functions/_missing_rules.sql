-- The rules a run's row cannot do without and that are not in force here.

create or replace function gmail_sync._missing_rules()
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select 'constraint chk_sync_state_consistency'
  where not exists (
    select from pg_constraint
    where conrelid = 'gmail_sync.user_sync_status'::regclass
      and conname = 'chk_sync_state_consistency'
      and convalidated
  )
  union all
  select 'unique partial index uniq_user_running_sync'
  where not exists (
    select from pg_index
    where indrelid = 'gmail_sync.user_sync_status'::regclass
      and indexrelid = to_regclass('gmail_sync.uniq_user_running_sync')
      and indisunique
      and indisvalid
      and pg_get_expr(indpred, indrelid) = 'is_syncing'
  );
$$;

comment on function gmail_sync._missing_rules() is
'Rules of user_sync_status that are not in force.';

revoke all on function gmail_sync._missing_rules() from public;
