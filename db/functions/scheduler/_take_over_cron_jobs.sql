-- Removes our jobs of any owner from pg_cron, except those of role p_keep that are as they should
-- be. It then makes the caller the owner of the functions that read and remove jobs.
--
-- It creates those functions again. The caller may not change the owner of a function of another
-- administrator, but the owner of a schema may drop what is in it.

create or replace function gmail_sync._take_over_cron_jobs(p_keep text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_function record;
begin
  begin
    perform gmail_sync._unschedule_cron_jobs(p_keep);
  exception when insufficient_privilege then
    -- Their owner may no longer use pg_cron, so those jobs do not run either.
    null;
  end;

  for v_function in
    select oid::regprocedure::text as name, pg_get_functiondef(oid) as definition,
      obj_description(oid, 'pg_proc') as comment
    from pg_proc
    where pronamespace = 'gmail_sync'::regnamespace
      and proname in ('_cron_jobs', '_cron_job_runs', '_unschedule_cron_jobs')
      and proowner <> (select oid from pg_roles where rolname = current_user)
  loop
    execute format('drop function %s', v_function.name);
    execute v_function.definition;
    execute format('comment on function %s is %L', v_function.name, v_function.comment);
    execute format('revoke all on function %s from public', v_function.name);
    execute format('grant execute on function %s to gmail_sync_owner', v_function.name);
  end loop;
  perform gmail_sync._unschedule_cron_jobs(p_keep);
end;
$$;

comment on function gmail_sync._take_over_cron_jobs(text) is
'Remove our jobs from pg_cron, and own the functions that read them.';

revoke all on function gmail_sync._take_over_cron_jobs(text) from public;
