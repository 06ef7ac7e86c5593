-- The user of a task_id that _new_task_id has made; NULL for the other forms of adopted runs.

create function gmail_sync_router.user_of(p_task_id text)
returns text
language sql
immutable
parallel safe
as $$
  select substring(p_task_id from '^sync_(.*)_[0-9a-f]{8}_[0-9]+$');
$$;
