create or replace function gmail_sync._new_task_id(p_user_id text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return format(
    'sync_%s_%s_%s',
    p_user_id,
    left(md5(gen_random_uuid()::text), 8),
    floor(extract(epoch from clock_timestamp()))
  );
end;
$$;

comment on function gmail_sync._new_task_id(text) is
'A task_id: sync_{user_id}_{8 hex}_{epoch seconds}.';

revoke all on function gmail_sync._new_task_id(text) from public;
