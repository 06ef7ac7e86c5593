-- The time that a search covers: since (inclusive) to until and until_id (exclusive). until is just
-- after the newest message before p_before, where the parts of a period begin to be counted. No row
-- where no message can be found, or there is no message p_before.

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
  v_newest timestamptz;
begin
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

  select m.internal_date into v_newest
  from gmail_sync.message m
  where m.user_id = p_user_id
    and (m.internal_date, m.message_id) < (until, until_id)
  order by m.internal_date desc, m.message_id desc
  limit 1;
  select greatest(m.internal_date, (p_part ->> 'since')::timestamptz) into since
  from gmail_sync.message m
  where m.user_id = p_user_id
  order by m.internal_date
  limit 1;
  if v_newest < until then
    until := v_newest + interval '1 microsecond';
    until_id := '';
  end if;
  if v_newest >= since then
    return next;
  end if;
end;
$$;

comment on function gmail_sync._search_bounds(text, jsonb, text) is
'The time that a search covers.';

revoke all on function gmail_sync._search_bounds(text, jsonb, text) from public;
