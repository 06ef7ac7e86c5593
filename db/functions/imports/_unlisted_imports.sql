-- Those of the given messages that the complete listing lacks.

create or replace function gmail_sync._unlisted_imports(p_user_id text, p_message_ids text[])
returns text[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(
    select unnest(p_message_ids)
    except
    select l.message_id
    from gmail_sync.listing l
    where l.user_id = p_user_id
      and l.message_id = any (p_message_ids)
    order by 1
  );
end;
$$;

comment on function gmail_sync._unlisted_imports(text, text[]) is
'Those of the given messages that the complete listing lacks.';

revoke all on function gmail_sync._unlisted_imports(text, text[]) from public;
