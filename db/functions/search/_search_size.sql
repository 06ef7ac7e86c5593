-- The part of a search that asks for messages of a size: more than (size:, larger:) or less than
-- (smaller:) 1000, 500K, 10M or 2GB. NULL where the value is not a size.

create or replace function gmail_sync._search_size(
  p_user_id text, p_operator text, p_value text
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_less boolean := p_operator ^@ 'smaller';
  v_parts text[] := regexp_match(upper(p_value collate "C"), E'^(\\d{1,9})([KMG]?)B?$');
  v_bytes bigint := v_parts[1]::bigint
    * case v_parts[2] when 'K' then 1024 when 'M' then 1048576 when 'G' then 1073741824 else 1 end;
begin
  if v_bytes is null then
    return null;
  end if;
  -- The classes from the size's own on; of that one, the statement takes those that fit.
  return (
    select jsonb_build_object(
      'sql', format('m.size_estimate %s %s', case when v_is_less then '<' else '>' end, v_bytes),
      'words', string_agg(format('''%s=size%s''', gmail_sync._search_key(p_user_id), class), '|'),
      'size', count(*)
    )
    from generate_series(
      case when v_is_less then 0 else gmail_sync._size_class(v_bytes) end,
      case when v_is_less then gmail_sync._size_class(v_bytes) else 31 end
    ) class
  );
end;
$$;

comment on function gmail_sync._search_size(text, text, text) is
'The part of a search that asks for messages of a size.';

revoke all on function gmail_sync._search_size(text, text, text) from public;
