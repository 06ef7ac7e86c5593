-- Keeps a row as it was, with what became of it; false if that very row is kept already.

create or replace function gmail_sync._log_repair(
  p_source text, p_row jsonb, p_fate text, p_faults text[]
)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into gmail_sync.repair_log (source, task_id, user_id, reason, original)
  values (
    -- An index cannot hold a name without end; the original tells the whole.
    p_source, left(p_row ->> 'task_id', 500), p_row ->> 'user_id',
    concat_ws(': ', p_fate, nullif(array_to_string(p_faults, ', '), '')), p_row
  )
  on conflict do nothing;
  return found;
end;
$$;

comment on function gmail_sync._log_repair(text, jsonb, text, text[]) is
'Keep a row as it was, with what became of it.';

revoke all on function gmail_sync._log_repair(text, jsonb, text, text[]) from public;
