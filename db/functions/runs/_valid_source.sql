-- The source of a start, checked. Raises SY003 when it is not one. A run of source resume follows
-- another, so nobody can ask for it.

create or replace function gmail_sync._valid_source(p_source text)
returns text
language plpgsql
immutable
as $$
begin
  if p_source is null or p_source not in ('api', 'sql', 'schedule', 'push') then
    raise exception 'source % is not one of api, sql, schedule, push', p_source
      using errcode = 'SY003';
  end if;
  return p_source;
end;
$$;

comment on function gmail_sync._valid_source(text) is
'The source of a start, checked; SY003 when it is not one.';

revoke all on function gmail_sync._valid_source(text) from public;
