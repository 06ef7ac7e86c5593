-- Adopts rows of a legacy table, for adopt_legacy_sync_status: together where it can, and one by
-- one where one of them cannot be a run. Rows of users who live on another node are left to it.

create or replace function gmail_sync._adopt_rows(p_source text, p_rows jsonb[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rows jsonb[] := array(
    select row
    from unnest(p_rows) with ordinality as given (row, place)
    where (
      gmail_sync._user_slot(row ->> 'user_id')
        = any (array(select slot from gmail_sync.slot_elsewhere))
    ) is not true
    order by place
  );
  v_row jsonb;
  v_others jsonb[];
begin
  perform gmail_sync._lock_repairs();
  perform gmail_sync._forget_activity();
  begin
    v_others := gmail_sync._adopt_batch(p_source, v_rows);
  exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
    v_others := v_rows;
  end;

  foreach v_row in array v_others loop
    begin
      perform gmail_sync._adopt_row(p_source, v_row);
    exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
      perform gmail_sync._log_repair(
        p_source, v_row, 'left_out', gmail_sync._violations(v_row) || 'cannot_be_stored'::text
      );
    end;
  end loop;
end;
$$;

comment on function gmail_sync._adopt_rows(text, jsonb[]) is
'Adopt rows of a legacy table.';

revoke all on function gmail_sync._adopt_rows(text, jsonb[]) from public;
grant execute on function gmail_sync._adopt_rows(text, jsonb[]) to gmail_sync_dba;
