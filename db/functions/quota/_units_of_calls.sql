-- What calls of Gmail cost together, in quota units; p_calls as for reserve_run_quota. Raises SY003
-- for calls that have no price or are fewer than one, and where they cost more than p_cap.

create or replace function gmail_sync._units_of_calls(p_profile text, p_calls jsonb, p_cap bigint)
returns integer
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_units numeric;
  v_all_are_priced boolean;
begin
  select sum(g.calls * c.units::bigint), bool_and(g.calls > 0 and c.units is not null)
  into v_units, v_all_are_priced
  from (
    select s.method, coalesce(s.format, '') as format, coalesce(s.calls, 1) as calls
    from jsonb_to_recordset(p_calls) as s (method text, format text, calls integer)
  ) g
  left join gmail_sync.quota_cost c
    on c.profile = p_profile
    and c.method = g.method
    and c.format = g.format;
  if v_all_are_priced is not true or v_units > p_cap then
    raise exception 'the calls % cannot be charged to profile %', p_calls, p_profile
      using errcode = 'SY003',
        hint = 'Reserve fewer calls at once, of a method and format in gmail_sync.quota_cost.';
  end if;
  return v_units::integer;
end;
$$;

comment on function gmail_sync._units_of_calls(text, jsonb, bigint) is
'What calls of Gmail cost together, in quota units.';

revoke all on function gmail_sync._units_of_calls(text, jsonb, bigint) from public;
