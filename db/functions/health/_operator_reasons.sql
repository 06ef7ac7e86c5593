-- A reason for each refusal of Google's that only the operator can end: how many accounts wait, and
-- what the operator must do.

create or replace function gmail_sync._operator_reasons()
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select format(
    '%s account(s) wait for the operator: %s; then start their syncs', count(*), r.operator_advice
  )
  from gmail_sync.account a
  join gmail_sync.refusal r on r.code = a.status_code
  -- The condition of the index accounts_to_reconnect.
  where a.status in ('reauth_required', 'suspended')
    and r.operator_advice is not null
  group by r.operator_advice;
$$;

comment on function gmail_sync._operator_reasons() is
'The reasons why syncs are not healthy that only the operator can end.';

revoke all on function gmail_sync._operator_reasons() from public;
