-- The time that a search covers: since (inclusive) to until and until_id (exclusive). No row where
-- there is no message p_before.

create or replace function gmail_sync._search_bounds(
  p_user_id text, p_part jsonb, p_before text
)
returns table (since timestamptz, until timestamptz, until_id text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before_date timestamptz;
begin
  since := coalesce((p_part ->> 'since')::timestamptz, '-infinity');
  until := coalesce((p_part ->> 'until')::timestamptz, 'infinity');
  until_id := '';
  if p_before is not null then
    select b.internal_date into v_before_date
    from gmail_sync.message b
    where b.user_id = p_user_id and b.message_id = p_before;
    if not found then
      return;
    end if;
    if v_before_date < until then
      until := v_before_date;
      until_id := p_before;
    end if;
  end if;
  return next;
end;
$$;

comment on function gmail_sync._search_bounds(text, jsonb, text) is
'The time that a search covers.';

revoke all on function gmail_sync._search_bounds(text, jsonb, text) from public;
