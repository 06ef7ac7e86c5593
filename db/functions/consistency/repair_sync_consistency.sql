-- Repairs what check_sync_consistency finds in our own tables. It counts mail again. It ends
-- zombies, which creates their successors, and replaces invalid rows, which exist only where
-- constraints were dropped. repair_log keeps each original row. Returns what was done; a second
-- call finds nothing to do.

create or replace function gmail_sync.repair_sync_consistency()
returns table (user_id text, task_id text, problem text, action text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_found record;
begin
  perform gmail_sync._lock_repairs();
  for v_found in
    select c.user_id, c.task_id, c.is_count, array_agg(c.rule) as rules,
      string_agg(c.explanation, '; ' order by c.rule) as problem
    from (
      select *, rule = 'mail_is_counted' as is_count from gmail_sync.check_sync_consistency()
    ) c
    group by c.user_id, c.task_id, c.is_count
    -- Writers lock a user's mail before the run. Of several running rows of a user, the valid one
    -- with the last heartbeat is kept: it comes last.
    order by not c.is_count, c.user_id,
      array_agg(c.rule) = array['uniq_user_running_sync'],
      (
        select max(r.updated_at) from gmail_sync.user_sync_status r where r.task_id = c.task_id
      ),
      c.task_id
  loop
    user_id := v_found.user_id;
    task_id := v_found.task_id;
    problem := v_found.problem;
    action := case
      when v_found.is_count then gmail_sync._recount_mail(v_found.user_id)
      else gmail_sync._repair_run(v_found.task_id, v_found.rules)
    end;
    return next;
  end loop;
end;
$$;

comment on function gmail_sync.repair_sync_consistency() is
'Repair what check_sync_consistency finds; repair_log keeps each original row.';

revoke all on function gmail_sync.repair_sync_consistency() from public;
grant execute on function gmail_sync.repair_sync_consistency()
  to gmail_sync_dba, gmail_sync_service;
