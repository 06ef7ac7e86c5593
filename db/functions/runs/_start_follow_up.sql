-- Starts the run somebody asked for while this one was under way, if anybody did.

create or replace function gmail_sync._start_follow_up(p_ended gmail_sync.user_sync_status)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_ended.follow_up is not null then
    perform gmail_sync._start_sync(
      p_ended.user_id, p_ended.follow_up = 'full', 'resume',
      gmail_sync._new_task_id(p_ended.user_id), p_ended.follow_up_traceparent
    );
  end if;
end;
$$;

comment on function gmail_sync._start_follow_up(gmail_sync.user_sync_status) is
'Start the run that was to follow this one, if any.';

revoke all on function gmail_sync._start_follow_up(gmail_sync.user_sync_status) from public;
