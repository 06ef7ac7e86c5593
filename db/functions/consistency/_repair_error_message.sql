-- The error message of a run that a repair or an adoption ended, if its row has none.

create or replace function gmail_sync._repair_error_message(p_row jsonb, p_faults text[])
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return format(
    'Found %s and ended: %s.',
    case when p_row ->> 'is_syncing' = 'true' then 'running' else 'idle' end,
    coalesce(
      (
        select string_agg(gmail_sync._describe_violation(f, p_row), '; ')
        from unnest(array_remove(p_faults, 'counts_are_no_object')) f
      ),
      case
        when p_row ->> 'is_syncing' = 'true' then 'its user has another running sync'
        else 'it reports neither success nor an error'
      end
    )
  );
end;
$$;

comment on function gmail_sync._repair_error_message(jsonb, text[]) is
'The error message of a run that a repair or an adoption ended.';

revoke all on function gmail_sync._repair_error_message(jsonb, text[]) from public;
