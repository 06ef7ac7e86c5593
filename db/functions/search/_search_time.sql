-- The part of a search that asks for messages of a time. NULL where the value is none.
--
-- after:, newer:, before: and older: take 2024/3/31, 2024-03-31 or 3/31/2024, midnight in the time
-- zone, or seconds since 1970. newer_than: and older_than: take an age: 3d, 2w, 5m, 1y.

create or replace function gmail_sync._search_time(
  p_operator text, p_value text, p_time_zone text
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Not \d, which in some locales takes digits that no cast to a number knows.
  v_age text[] := regexp_match(lower(p_value collate "C"), E'^([0-9]{1,3})([dwmy])$');
  v_date text[] := regexp_match(p_value, E'^([0-9]{4})[/-]([0-9]{1,2})[/-]([0-9]{1,2})$');
  v_time timestamptz;
begin
  if p_operator in ('newer_than', 'older_than') then
    v_time := now() - (
      v_age[1] || case v_age[2]
        when 'd' then ' days' when 'w' then ' weeks' when 'm' then ' months' else ' years'
      end
    )::interval;
  elsif p_value ~ E'^[0-9]{8,11}$' then
    v_time := to_timestamp(p_value::bigint);
  else
    if v_date is null then
      v_date := regexp_match(p_value, E'^([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})$');
      v_date := array[v_date[3], v_date[1], v_date[2]];
    end if;
    v_time := make_date(v_date[1]::integer, v_date[2]::integer, v_date[3]::integer)::timestamp
      at time zone p_time_zone;
  end if;
  if v_time is null then
    return null;
  end if;
  return jsonb_build_object(
    'sql', format(
      'm.internal_date %s %L',
      case when p_operator ^@ 'newer' or p_operator = 'after' then '>=' else '<' end,
      -- JSON's form of a time depends on no setting.
      to_jsonb(v_time) #>> '{}'
    ),
    case when p_operator ^@ 'newer' or p_operator = 'after' then 'since' else 'until' end, v_time
  );
exception
  -- The 31st of February.
  when datetime_field_overflow then
    return null;
end;
$$;

comment on function gmail_sync._search_time(text, text, text) is
'The part of a search that asks for messages of a time.';

revoke all on function gmail_sync._search_time(text, text, text) from public;
