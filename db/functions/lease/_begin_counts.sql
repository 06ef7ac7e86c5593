-- Begins the counts of a chain of runs. The touched messages belong to one chain. Those that an
-- earlier chain left pending still are, so their rows stay: a million are not written once more.

create or replace function gmail_sync._begin_counts(p_task_id text, p_user_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_pending bigint;
begin
  delete from gmail_sync.touched t
  where t.user_id = p_user_id and t.bucket <> 'pending';
  delete from gmail_sync.touched t
  where t.user_id = p_user_id
    and t.message_id = any (
      array(
        select p.message_id from gmail_sync.touched p where p.user_id = p_user_id
        except
        select gmail_sync._due_messages(p_user_id)
      )
    );
  update gmail_sync.touched t
  set settled = null
  where t.user_id = p_user_id and t.settled is not null;

  select count(*) into v_pending from gmail_sync.touched t where t.user_id = p_user_id;
  update gmail_sync.user_sync_status r
  set found = r.found + v_pending, pending = r.pending + v_pending
  where r.task_id = p_task_id
    and v_pending > 0;
end;
$$;

comment on function gmail_sync._begin_counts(text, text) is
'Begin the counts of a chain of runs.';

revoke all on function gmail_sync._begin_counts(text, text) from public;
