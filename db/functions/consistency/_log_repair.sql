-- Keeps the original of a row, with the action taken and the rules that it broke. False if the same
-- original is kept already.

create or replace function gmail_sync._log_repair(
  p_source text, p_row jsonb, p_action text, p_rules text[], p_outcome text default null
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into gmail_sync.repair_log (
    source, task_id, user_id, action, outcome, rules, original
  )
  values (
    -- An index entry has a maximum length; the original holds the whole task_id.
    p_source, left(p_row ->> 'task_id', 500), p_row ->> 'user_id', p_action, p_outcome, p_rules,
    p_row
  )
  on conflict do nothing;
  return found;
end;
$$;

comment on function gmail_sync._log_repair(text, jsonb, text, text[], text) is
'Keep the original of a row, with the action taken and the rules that it broke.';

revoke all on function gmail_sync._log_repair(text, jsonb, text, text[], text) from public;
