-- In SQL without any setting: Postgres makes it part of the statement that calls it.

create or replace function gmail_sync._new_task_id(p_user_id text)
returns text
language sql
volatile
as $$
  select format(
    'sync_%s_%s_%s',
    p_user_id,
    left(gen_random_uuid()::text, 8),
    floor(extract(epoch from clock_timestamp()))
  );
$$;

comment on function gmail_sync._new_task_id(text) is
'A task_id: sync_{user_id}_{8 hex}_{epoch seconds}.';

revoke all on function gmail_sync._new_task_id(text) from public;
