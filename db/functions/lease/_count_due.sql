-- Counts the messages that are due and not counted yet as found and pending.

create or replace function gmail_sync._count_due(p_task_id text, p_user_id text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_due text[] := array(
    select gmail_sync._due_messages(p_user_id)
    except
    select t.message_id
    from gmail_sync.touched t
    where t.user_id = p_user_id and t.bucket = 'pending'
  );
begin
  if v_due <> '{}' then
    perform gmail_sync._update_counts_fenced(
      p_task_id, p_user_id, v_due,
      array_fill('pending'::text, array[cardinality(v_due)]), 'listing', false
    );
  end if;
end;
$$;

comment on function gmail_sync._count_due(text, text) is
'Count the messages that are due and not counted yet.';

revoke all on function gmail_sync._count_due(text, text) from public;
